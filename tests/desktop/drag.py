#!/usr/bin/python3
"""A window that files can be dragged out of, as those of file managers: a square whose middle is at X, Y of the screen. Called
as drag.py X Y PATH...; says "ready" when the square can be seen, and is there until its standard input ends."""

import sys
import threading
from pathlib import Path

import gi

gi.require_version("Gdk", "3.0")
gi.require_version("Gtk", "3.0")
from gi.repository import Gdk, GLib, Gtk  # noqa: E402

SIDE = 80

x, y = int(sys.argv[1]), int(sys.argv[2])
uris = [Path(path).as_uri() for path in sys.argv[3:]]

# No window manager moves or covers one of this type.
window = Gtk.Window(type=Gtk.WindowType.POPUP)
square = Gtk.EventBox()
square.set_size_request(SIDE, SIDE)
files = Gtk.TargetEntry.new("text/uri-list", 0, 0)
square.drag_source_set(Gdk.ModifierType.BUTTON1_MASK, [files], Gdk.DragAction.COPY)
square.connect("drag-data-get", lambda _square, _drag, data, _info, _time: data.set_uris(uris))
window.add(square)
window.move(x - SIDE // 2, y - SIDE // 2)
window.connect("map-event", lambda _window, _event: print("ready", flush=True))
window.show_all()


def wait_for_end():
    sys.stdin.read()
    GLib.idle_add(Gtk.main_quit)


threading.Thread(target=wait_for_end, daemon=True).start()
Gtk.main()
