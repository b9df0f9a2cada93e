"""A server for programs that speak the OpenAI API, and a page for people.

    worker.py      one thread that owns the model, and the questions that wait for it
    ticket.py      a question on its way, as the one who asked sees it
    preparing.py   pictures read, regions drawn, texts made, before the model is needed
    batch.py       the questions that are being answered, a token of each at a time
    spoken.py      tokens to pieces of text, up to a stop sequence

    app.py         the application: API and page           gate.py      keys, limits, log: what comes first
    wire.py        what clients send                       replies.py   what they get
    pictures.py    from that to a picture and regions      refusals.py  every error in OpenAI's form
    chat.py        chat completions                        describing.py  the plain job: regions in, descriptions out
    service.py     what both need                          connection.py  clients that go away, streams
    keys.py · limits.py · metrics.py · logs.py             server.py    uvicorn, ended gracefully
    page/          the page

Nothing is imported here, so that a missing extra is told by what needs it (`app`, `server`).
"""
