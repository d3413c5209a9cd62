#!/bin/sh
# One session of a person, with a display and a session bus of its own: `session.sh DESKTOP COLD WARM` opens two links
# with xdg-open, the first while the app does not run, the second while it does, and downloads what they offer.
set -eu
if [ -z "${DBUS_SESSION_BUS_ADDRESS:-}" ]; then
  XDG_RUNTIME_DIR=$(mktemp -d)
  export XDG_RUNTIME_DIR
  exec dbus-run-session -- sh "$0" "$@"
fi
desktop=$1 cold=$2 warm=$3
cd "$HOME"
export DISPLAY=:77 GTK_A11Y=atspi NO_AT_BRIDGE=0
[ "$desktop" = generic ] || export XDG_CURRENT_DESKTOP="$desktop"

say() { echo "  -> $*"; }
die() { echo "FAILED: $*" >&2; tail -n 30 "$HOME/app.log" >&2 || true; exit 1; }
# Waits up to a minute until a command holds.
until_it() { for _ in $(seq 300); do "$@" >/dev/null 2>&1 && return; sleep 0.2; done; die "never held: $*"; }
running() { pgrep -x sluice-desktop; }
gone() { ! pgrep -x sluice-desktop; }

Xvfb $DISPLAY -screen 0 1280x900x24 -nolisten tcp >/dev/null 2>&1 &
display=$!
until_it test -S /tmp/.X11-unix/X77
gdbus call --session --dest org.a11y.Bus --object-path /org/a11y/bus --method org.freedesktop.DBus.Properties.Set \
  org.a11y.Status IsEnabled '<true>' >/dev/null

[ "$(xdg-mime query default x-scheme-handler/sluice)" = Sluice.desktop ] || die "links are for another program"

# Without a desktop xdg-open becomes the app, and ends with it.
open_link() { xdg-open "$(cat "/check/$1.link")" >>"$HOME/app.log" 2>&1 & }
receive() {
  python3 /check/press.py sluice-desktop "$1" "Download " || die "the offer of $1 can't be taken"
  until_it cmp "/check/$1" "$HOME/Downloads/$1"
  say "$1 is here, bit for bit"
}

# Whatever a link holds is one argument, as it is, of the program that the package names; and it is run by no shell.
recorder=$HOME/recorder
mkdir -p "$recorder"
printf '#!/bin/sh\nprintf "%%s" "$#" >"$HOME/count"; printf "%%s" "$1" >"$HOME/argument"\n' >"$recorder/sluice-desktop"
chmod +x "$recorder/sluice-desktop"
line='
'
for hostile in 'sluice://h/p/a"b' "sluice://h/p/a'b" 'sluice://h/p/a b' 'sluice://h/p/x --hidden' "sluice://h/p/a${line}b" \
  'sluice://h/p/$(touch $HOME/run)`touch $HOME/run`;touch $HOME/run' 'sluice://h/p/%u%s\\' "sluice://h/p/$(head -c 100000 /dev/zero | tr '\0' x)"; do
  rm -f "$HOME/count" "$HOME/argument"
  PATH="$recorder:$PATH" xdg-open "$hostile" >>"$HOME/app.log" 2>&1 || true
  until_it test -e "$HOME/argument"
  [ "$(cat "$HOME/count")" = 1 ] || die "$(cat "$HOME/count") arguments came of $(echo "$hostile" | head -c 80)"
  [ ! -e "$HOME/run" ] || die "a shell has run $hostile"
done
rm -r "$recorder" "$HOME/count" "$HOME/argument"
say "hostile links are one argument each"

gone || die "the app runs already"
say "cold: xdg-open, and $cold is offered"
open_link "$cold"
receive "$cold"
pid=$(running)
say "warm: xdg-open, and $warm is offered"
open_link "$warm"
receive "$warm"
[ "$(running)" = "$pid" ] || die "another app was started"
if [ "$desktop" != generic ]; then
  python3 /check/press.py sluice-desktop History History
  python3 /check/press.py sluice-desktop one.bin || die "the downloads from before are not in the history"
fi

xdg-open 'sluice://h/p/a"b --hidden' >>"$HOME/app.log" 2>&1 &
python3 /check/press.py sluice-desktop "This is not a Sluice link" || die "a hostile link does not end in a sentence"

# Nothing of the person's says what the package says already.
[ ! -e "$HOME/.local/share/applications/sluice-desktop-handler.desktop" ] || die "the app has registered itself beside its package"
kill "$pid"
until_it gone
kill $display
