"""Sphinx extension: remove the scripts and styles of sphinx-thebe, which Jupyter Book loads unused.

Sphinx writes its inline constants twice, and the second copy is a script error on every page.
"""


def disconnect(app, config):
    app.registry.css_files[:] = [
        entry for entry in app.registry.css_files if entry[0] != "sphinx-thebe.css"
    ]
    for listeners in app.events.listeners.values():
        for listener in list(listeners):
            if listener.handler.__module__ == "sphinx_thebe":
                app.disconnect(listener.id)


def setup(app):
    app.connect("config-inited", disconnect)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
