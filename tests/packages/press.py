"""Finds words on the screen as a screen reader does: press.py APP WORDS [BUTTON].

Waits up to a minute until the window of APP shows WORDS; with BUTTON, then presses the first button that can be
pressed and whose name begins so.
"""

import sys
import time

import gi

gi.require_version("Atspi", "2.0")
from gi.repository import Atspi, GLib  # noqa: E402

DEADLINE = 60


def walk(node):
    """Every accessible below and with `node`; what goes away meanwhile is left out."""
    try:
        yield node
        for index in range(node.get_child_count()):
            child = node.get_child_at_index(index)
            if child is not None:
                yield from walk(child)
    except GLib.Error:
        return


def words(node):
    try:
        text = Atspi.Text.get_text(node, 0, -1) if "Text" in node.get_interfaces() else ""
        return [node.get_name() or "", text]
    except GLib.Error:
        return []


def window(app):
    desktop = Atspi.get_desktop(0)
    for index in range(desktop.get_child_count()):
        child = desktop.get_child_at_index(index)
        if child is not None and child.get_name() == app:
            yield from walk(child)


def press(app, start):
    for node in window(app):
        try:
            if "button" not in node.get_role_name() or not (node.get_name() or "").startswith(start):
                continue
            if node.get_state_set().contains(Atspi.StateType.ENABLED) and node.do_action(0):
                return True
        except GLib.Error:
            continue
    return False


def main(app, wanted, button=None):
    until = time.monotonic() + DEADLINE
    while time.monotonic() < until:
        seen = any(wanted in text for node in window(app) for text in words(node))
        if seen and (button is None or press(app, button)):
            return 0
        time.sleep(0.3)
    for node in window(app):
        print(node.get_role_name(), words(node), file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
