"""A server for programs that speak the OpenAI API, and a page for people.

worker.py    one thread that owns the model, and the questions that wait for it
app.py       the application: API and page
"""
