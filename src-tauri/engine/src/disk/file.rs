//! Reading and writing at a position, and file times, alike on every platform.

use sluice_protocol::manifest::Mtime;
use std::fs::{File, FileTimes};
use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

/// Writes all of `bytes` at `offset`.
pub(super) fn write_all_at(file: &File, bytes: &[u8], offset: u64) -> io::Result<()> {
    #[cfg(unix)]
    {
        std::os::unix::fs::FileExt::write_all_at(file, bytes, offset)
    }
    #[cfg(windows)]
    {
        use std::os::windows::fs::FileExt;
        let (mut bytes, mut offset) = (bytes, offset);
        while !bytes.is_empty() {
            match file.seek_write(bytes, offset) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(written) => {
                    bytes = &bytes[written..];
                    offset += written as u64;
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Reads into `buf` from `offset` until it is full or the file ends; how many bytes it read.
pub(super) fn read_full_at(file: &File, buf: &mut [u8], offset: u64) -> io::Result<usize> {
    let mut filled = 0;
    while filled < buf.len() {
        let at = offset + filled as u64;
        #[cfg(unix)]
        let read = std::os::unix::fs::FileExt::read_at(file, &mut buf[filled..], at);
        #[cfg(windows)]
        let read = std::os::windows::fs::FileExt::seek_read(file, &mut buf[filled..], at);
        match read {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(filled)
}

/// A time of the file system as a manifest carries it.
pub(super) fn mtime_of(time: SystemTime) -> Mtime {
    match time.duration_since(UNIX_EPOCH) {
        Ok(after) => {
            Mtime { seconds: i64::try_from(after.as_secs()).unwrap_or(i64::MAX), nanos: after.subsec_nanos() }
        }
        Err(before) => {
            let before = before.duration();
            let seconds = i64::try_from(before.as_secs()).unwrap_or(i64::MAX);
            match before.subsec_nanos() {
                0 => Mtime { seconds: -seconds, nanos: 0 },
                nanos => Mtime { seconds: -seconds - 1, nanos: 1_000_000_000 - nanos },
            }
        }
    }
}

// What file systems hold without cutting it: 1901 to 9999.
const EARLIEST: i64 = -(1 << 31);
const LATEST: i64 = 253_402_300_799;

/// `mtime` moved into what file systems can hold.
pub(super) fn clamp(mtime: Mtime) -> Mtime {
    if (EARLIEST..=LATEST).contains(&mtime.seconds) {
        mtime
    } else {
        Mtime { seconds: mtime.seconds.clamp(EARLIEST, LATEST), nanos: 0 }
    }
}

/// `mtime` as the system's clock type.
pub(super) fn system_time(mtime: Mtime) -> Option<SystemTime> {
    let seconds = Duration::from_secs(mtime.seconds.unsigned_abs());
    let whole =
        if mtime.seconds < 0 { UNIX_EPOCH.checked_sub(seconds)? } else { UNIX_EPOCH.checked_add(seconds)? };
    whole.checked_add(Duration::from_nanos(u64::from(mtime.nanos)))
}

/// Sets the modification time of an open file.
pub(super) fn set_mtime(file: &File, mtime: Mtime) -> io::Result<()> {
    match system_time(mtime) {
        Some(time) => file.set_times(FileTimes::new().set_modified(time)),
        None => Ok(()),
    }
}

/// Whether `kept`, read from a file system, is what it makes of `wanted`: some keep 2 s, 1 s, 1 µs or 100 ns.
pub(super) fn same_time(kept: Mtime, wanted: Mtime) -> bool {
    if kept.seconds == wanted.seconds {
        let cut = |unit: u32| wanted.nanos / unit * unit;
        return [1, 100, 1000, 1_000_000_000].into_iter().any(|unit| kept.nanos == cut(unit));
    }
    kept.nanos == 0 && kept.seconds == wanted.seconds & !1
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn times_round_trip(seconds in EARLIEST..=LATEST, nanos in 0_u32..1_000_000_000) {
            let nanos = if cfg!(windows) { nanos / 100 * 100 } else { nanos };
            let mtime = Mtime { seconds, nanos };
            prop_assert_eq!(system_time(mtime).map(mtime_of), Some(mtime));
        }
    }

    #[test]
    fn a_coarse_clock_is_recognised_and_another_time_is_not() {
        let wanted = Mtime { seconds: 1001, nanos: 123_456_789 };
        let kept = |seconds, nanos| same_time(Mtime { seconds, nanos }, wanted);
        assert!(kept(1001, 123_456_789) && kept(1001, 123_456_700) && kept(1001, 0) && kept(1000, 0));
        assert!(!kept(1001, 1) && !kept(1002, 0) && !kept(999, 0) && !kept(1000, 5));
    }
}
