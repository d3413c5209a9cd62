#!/bin/sh
# The life of the .deb on a clean Debian: installed, used, upgraded, used, removed. Runs in it as its administrator.
# /check holds the older and the newer package, links to receive and what they must bring; `cargo xtask package --check`
# puts them there.
set -eu

say() { echo "==> $*"; }
die() { echo "FAILED: $*" >&2; exit 1; }
apt() { apt-get --quiet=2 --yes --no-install-recommends --option=Dpkg::Use-Pty=0 --option=Dpkg::Options::=--force-unsafe-io "$@"; }
# A person of this computer runs one of the scripts, in a session of their own.
person() { setpriv --reuid person --regid person --init-groups env HOME=/srv/person USER=person PATH="$PATH" LANG="$LANG" sh /check/session.sh "$@"; }
kept() { find /srv/person/.config/sluice /srv/person/.local/state/sluice -type f -exec sha256sum {} + | sort -k 2; }

say "install the older package with apt, which brings what it needs"
apt update
apt install /check/older.deb >/dev/null
dpkg --verify sluice
sluice --version
[ "$(dpkg-query --show --showformat='${Version}' sluice)" = "$(cat /check/older)" ] || die "another version is installed"
for file in /usr/share/man/man1/sluice-receive.1.gz /usr/share/bash-completion/completions/sluice \
  /usr/share/zsh/vendor-completions/_sluice /usr/share/fish/vendor_completions.d/sluice.fish \
  /usr/lib/systemd/user/sluice-serve.service /usr/share/metainfo/app.sluice.desktop.metainfo.xml \
  /usr/share/icons/hicolor/scalable/apps/sluice-desktop.svg /usr/share/doc/sluice/copyright; do
  [ -s $file ] || die "$file is missing"
done
for size in 16 24 32 48 64 128 256 512; do
  dpkg -L sluice | grep -q "hicolor/${size}x$size/apps/sluice-desktop.png" || die "no icon of $size pixels"
done
missing=$(ldd /usr/bin/sluice-desktop /usr/bin/sluice | grep 'not found' || true)
[ -z "$missing" ] || die "$missing"
grep -q 'x-scheme-handler/sluice=Sluice.desktop' /usr/share/applications/mimeinfo.cache || die "links are not known"

say "what a desktop has, to look at it: a display, a session, and what reads a screen aloud"
apt install xvfb dbus dbus-x11 at-spi2-core python3-gi gir1.2-atspi-2.0 xdg-utils libglib2.0-bin desktop-file-utils fonts-dejavu-core procps >/dev/null
desktop-file-validate /usr/share/applications/Sluice.desktop
useradd --create-home --home-dir /srv/person --shell /bin/sh person

say "a session without a desktop of a name: links, cold and warm"
person generic one.bin two.bin
kept > /check/kept
[ -s /check/kept ] || die "the app has kept nothing"

say "upgrade"
apt install /check/newer.deb >/dev/null
[ "$(dpkg-query --show --showformat='${Version}' sluice)" = "$(cat /check/newer)" ] || die "the upgrade is not there"
kept | cmp - /check/kept || die "the upgrade has touched what the person keeps"

say "a session of GNOME: links, cold and warm, beside the downloads from before"
person GNOME three.bin four.bin

say "remove and purge"
apt remove sluice >/dev/null
if [ -e /usr/bin/sluice ] || [ -e /usr/bin/sluice-desktop ]; then die "a program is left"; fi
apt purge sluice >/dev/null
left=$(find / -xdev \( -path /proc -o -path /sys -o -path /check -o -path /srv/person -o -path /var/cache/apt -o -path /var/log -o -path /tmp \) -prune -o -iname '*sluice*' -print)
[ -z "$left" ] || die "left behind: $left"
told=$(grep -rlE 'sluice-desktop|sluice-serve|x-scheme-handler/sluice' /etc /usr /var/lib/dpkg 2>/dev/null | grep -v '^/var/lib/dpkg/status-old$' || true)
[ -z "$told" ] || die "still told of in: $told"
owned=$(cd /srv/person && find . -iname '*sluice*' | sort)
echo "$owned"
for there in $owned; do
  case $there in
    ./.config/sluice*|./.local/state/sluice*|./.local/share/app.sluice.desktop*|./.cache/sluice*|./.cache/app.sluice.desktop*) ;;
    *) die "the person is left with $there" ;;
  esac
done
[ -s /srv/person/Downloads/four.bin ] || die "what the person received is gone"
say "the life of the .deb is as it should be"
