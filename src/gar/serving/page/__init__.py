"""A page on which people point at things in their pictures, and have them described.

    mounting.py            puts the page on an application: the only public name
    view.py                one visitor's page: its parts, and what happens when they are used
    visit.py, marks.py, picture.py, conversation.py
                           what the server knows of a visitor; no user interface
    asking.py              questions to the model's worker, answers as they come
    canvas.py, canvas.js   the picture with its regions: draws them, reports strokes in pixels of the picture
    header.py, stage.py, regions_panel.py, conversation_panel.py, question_box.py, controls.py, page.css
                           what is seen
    routes.py              the visitor's picture and masks for the browser, and files from it
    exports.py, examples.py

Choices:

* Python owns all that counts. The browser draws what it is told and reports strokes; the mask that it shows is the one
  that the model gets, made by the same `Region`.
* One visit is one open page. It is forgotten when the visitor leaves, or has been without a connection for a while.
* As many regions as the model has prompts, each with its prompt's number and color.
* Nothing is fetched from elsewhere: NiceGUI brings its own scripts, fonts and icons.
"""

from gar.serving.page.mounting import mount

__all__ = ["mount"]
