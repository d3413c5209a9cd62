#!/bin/sh
# A C compiler for checks of Rust for macOS on other systems: zig's. Objective-C needs Apple's own headers, and becomes
# an empty object: what is checked is Rust.
set -eu
first=yes
for argument in "$@"; do
  [ $first = no ] || set --
  first=no
  case $argument in
    --target=* | -target | -arch | arm64 | arm64-apple-* | aarch64-apple-* | -mmacosx-version-min=* | -fobjc* | -fmodules) ;;
    *.m | *.mm)
      : >"$CC_MACOS_EMPTY"
      set -- "$@" "$CC_MACOS_EMPTY"
      ;;
    *) set -- "$@" "$argument" ;;
  esac
done
exec "$CC_MACOS_PYTHON" -m ziglang cc -target aarch64-macos "$@"
