#!/usr/bin/python3
"""The parts of a desktop that a window needs and Xvfb lacks: a place for tray icons (StatusNotifierWatcher), file dialogs
(the portal's FileChooser), and what keeps a computer awake (logind's Inhibit). Events go to standard output, one JSON object a line; orders come from standard
input the same way: {"order": "menu"}, {"order": "click", "label": LABEL}, {"order": "answer", "paths": [PATH...]}, where
no path at all is the person's "Cancel", and {"order": "held"}."""

import json
import os
import sys
import threading
from urllib.parse import quote

import dbus
import dbus.mainloop.glib
import dbus.service
from gi.repository import GLib

WATCHER = "org.kde.StatusNotifierWatcher"
ITEM = "org.kde.StatusNotifierItem"
MENU = "com.canonical.dbusmenu"
PROPERTIES = "org.freedesktop.DBus.Properties"
CHOOSER = "org.freedesktop.portal.FileChooser"
REQUEST = "org.freedesktop.portal.Request"
LOGIN = "org.freedesktop.login1.Manager"

dbus.mainloop.glib.DBusGMainLoop(set_as_default=True)
bus = dbus.SessionBus()


def tell(event, **fields):
    print(json.dumps({"event": event, **fields}), flush=True)


class Watcher(dbus.service.Object):
    """Knows the one tray icon of this desktop: the last that was put there."""

    item = None

    @dbus.service.method(WATCHER, in_signature="s", sender_keyword="sender")
    def RegisterStatusNotifierItem(self, path, sender=None):
        self.item = (sender, str(path))
        tell("tray")
        self.StatusNotifierItemRegistered(str(path))

    @dbus.service.method(WATCHER, in_signature="s")
    def RegisterStatusNotifierHost(self, service):
        pass

    @dbus.service.signal(WATCHER, signature="s")
    def StatusNotifierItemRegistered(self, service):
        pass

    @dbus.service.method(PROPERTIES, in_signature="ss", out_signature="v")
    def Get(self, interface, name):
        return self.GetAll(interface)[name]

    @dbus.service.method(PROPERTIES, in_signature="s", out_signature="a{sv}")
    def GetAll(self, interface):
        items = dbus.Array([self.item[1]] if self.item else [], signature="s")
        return {
            "IsStatusNotifierHostRegistered": True,
            "ProtocolVersion": dbus.Int32(0),
            "RegisteredStatusNotifierItems": items,
        }

    def menu(self):
        """The menu behind the icon, and what it holds now: (id, label) of each line."""
        sender, path = self.item
        item = dbus.Interface(bus.get_object(sender, path), PROPERTIES)
        properties = item.GetAll(ITEM)
        menu = dbus.Interface(bus.get_object(sender, properties["Menu"]), MENU)
        _, (_, _, children) = menu.GetLayout(0, -1, dbus.Array([], signature="s"))
        lines = [(int(child[0]), str(child[1].get("label", ""))) for child in children]
        title = str(properties.get("XAyatanaLabel") or properties.get("Title") or "")
        return menu, title, lines

    def tell_menu(self):
        if not self.item:
            return tell("menu", there=False, title="", labels=[])
        try:
            _, title, lines = self.menu()
        except dbus.DBusException as error:
            return tell("menu", there=False, title=str(error), labels=[])
        tell("menu", there=True, title=title, labels=[label for _, label in lines])

    def click(self, label):
        menu, _, lines = self.menu()
        for number, found in lines:
            if found == label:
                menu.Event(number, "clicked", dbus.String("", variant_level=1), dbus.UInt32(0))
                return tell("clicked", label=label)
        tell("no_such_line", label=label, labels=[found for _, found in lines])


class Request(dbus.service.Object):
    """A dialog that stands open, and the name on the bus of who waits for its answer."""

    asker = None

    @dbus.service.signal(REQUEST, signature="ua{sv}")
    def Response(self, code, results):
        pass

    @dbus.service.method(REQUEST)
    def Close(self):
        pass


class Portal(dbus.service.Object):
    """Shows no dialog, says that it was asked for one, and answers when told what."""

    request = None

    def ask(self, kind, title, options, sender):
        name = sender[1:].replace(".", "_")
        path = f"/org/freedesktop/portal/desktop/request/{name}/{options.get('handle_token', 't')}"
        self.request = Request(bus, path)
        self.request.asker = sender
        folders, several = bool(options.get("directory")), bool(options.get("multiple"))
        tell("dialog", kind=kind, title=str(title), folders=folders, several=several)
        return dbus.ObjectPath(path)

    def answer(self, paths):
        if not self.request:
            return tell("no_dialog")
        uris = dbus.Array(["file://" + quote(path) for path in paths], signature="s")
        request, self.request = self.request, None
        results = dbus.Dictionary({"uris": uris}, signature="sv")

        def respond():
            # Who asks does so on a connection of its own, and closes it once it has the answer.
            if not bus.name_has_owner(request.asker):
                request.remove_from_connection()
                tell("answered")
                return False
            request.Response(0 if paths else 1, results)
            return True

        # No person is so quick that the answer comes together with the reply to the question. The library that asks does
        # not look at it then, before something more comes: so it is said until it is heard.
        respond()
        GLib.timeout_add(100, respond)

    @dbus.service.method(CHOOSER, in_signature="ssa{sv}", out_signature="o", sender_keyword="sender")
    def OpenFile(self, parent, title, options, sender=None):
        return self.ask("open", title, options, sender)

    @dbus.service.method(CHOOSER, in_signature="ssa{sv}", out_signature="o", sender_keyword="sender")
    def SaveFile(self, parent, title, options, sender=None):
        return self.ask("save", title, options, sender)

    @dbus.service.method(PROPERTIES, in_signature="ss", out_signature="v")
    def Get(self, interface, name):
        return dbus.UInt32(4)

    @dbus.service.method(PROPERTIES, in_signature="s", out_signature="a{sv}")
    def GetAll(self, interface):
        return dbus.Dictionary({"version": dbus.UInt32(4)}, signature="sv")


class Login(dbus.service.Object):
    """Knows what this computer must not do of itself, for as long as those who asked for that hold on to it."""

    held = []

    @dbus.service.method(LOGIN, in_signature="ssss", out_signature="h")
    def Inhibit(self, what, who, why, mode):
        ours, theirs = os.pipe()
        lock = {"what": str(what), "who": str(who), "why": str(why), "mode": str(mode)}
        self.held.append(lock)

        def let_go(fd, _condition):
            os.close(fd)
            self.held.remove(lock)
            return False

        GLib.io_add_watch(ours, GLib.PRIORITY_DEFAULT, GLib.IOCondition.HUP, let_go)
        handed = dbus.types.UnixFd(theirs)
        os.close(theirs)
        return handed


names = [dbus.service.BusName(name, bus) for name in sys.argv[1:]]
watcher = Watcher(bus, "/StatusNotifierWatcher")
portal = Portal(bus, "/org/freedesktop/portal/desktop")
login = Login(bus, "/org/freedesktop/login1")
loop = GLib.MainLoop()


def carry_out(order):
    try:
        match order["order"]:
            case "menu":
                watcher.tell_menu()
            case "click":
                watcher.click(order["label"])
            case "answer":
                portal.answer(order["paths"])
            case "held":
                tell("held", locks=login.held)
    except Exception as error:
        tell("failed", error=str(error))
    return False


def take_orders():
    for line in sys.stdin:
        GLib.idle_add(carry_out, json.loads(line))
    loop.quit()


threading.Thread(target=take_orders, daemon=True).start()
tell("ready")
loop.run()
