//! The few lines of a session description (RFC 8866) that the engine itself reads:
//! the certificate fingerprint (RFC 8122), the message limit (RFC 8841) and the media id.

use super::RtcError;

/// Bytes of session description accepted from a peer; a browser's is about 1 KiB.
pub const MAX_DESCRIPTION: usize = 64 * 1024;

/// Bytes a message may have when the peer states no limit (RFC 8841, section 6.1).
pub const DEFAULT_MESSAGE_SIZE: usize = 64 * 1024;

/// Bytes a message may have at most, whatever the peer states.
pub const MAX_MESSAGE_SIZE: usize = 256 * 1024;

/// What the engine takes from a session description.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Description {
    /// SHA-256 of the certificate that its owner must show in the DTLS handshake.
    pub fingerprint: [u8; 32],
    /// Bytes in the longest message that its owner accepts, capped at [`MAX_MESSAGE_SIZE`].
    pub max_message_size: usize,
    /// The media id of the data section, which candidates name.
    pub mid: Option<String>,
}

impl Description {
    /// Reads a description from a peer (or our own).
    ///
    /// # Errors
    /// [`RtcError::Description`] unless there is exactly one media section and it carries data
    /// channels; [`RtcError::Fingerprint`] unless all fingerprints are one and the same SHA-256.
    pub fn parse(sdp: &str) -> Result<Self, RtcError> {
        if sdp.len() > MAX_DESCRIPTION {
            return Err(RtcError::Description("too long".to_owned()));
        }
        let mut fingerprint = None;
        let mut max_message_size = DEFAULT_MESSAGE_SIZE;
        let mut mid = None;
        let mut sections = 0;
        for line in sdp.lines() {
            if let Some(media) = line.strip_prefix("m=") {
                sections += 1;
                if !media.starts_with("application ") || !media.contains("webrtc-datachannel") {
                    return Err(RtcError::Description("not a data section".to_owned()));
                }
            } else if let Some(value) = line.strip_prefix("a=fingerprint:") {
                let found = parse_fingerprint(value)?;
                if fingerprint.is_some_and(|known| known != found) {
                    return Err(RtcError::Fingerprint);
                }
                fingerprint = Some(found);
            } else if let Some(value) = line.strip_prefix("a=max-message-size:") {
                max_message_size = match value.trim().parse::<u64>() {
                    // Zero means "any size" (RFC 8841, section 6).
                    Ok(0) => MAX_MESSAGE_SIZE,
                    Ok(size) => usize::try_from(size).unwrap_or(MAX_MESSAGE_SIZE).min(MAX_MESSAGE_SIZE),
                    Err(_) => return Err(RtcError::Description("max-message-size".to_owned())),
                };
            } else if let Some(value) = line.strip_prefix("a=mid:") {
                mid = Some(value.trim().to_owned());
            }
        }
        if sections != 1 {
            return Err(RtcError::Description(format!("{sections} media sections")));
        }
        Ok(Self { fingerprint: fingerprint.ok_or(RtcError::Fingerprint)?, max_message_size, mid })
    }
}

/// Reads `sha-256 AB:CD:…` (RFC 8122, section 5).
fn parse_fingerprint(value: &str) -> Result<[u8; 32], RtcError> {
    let (algorithm, hex) = value.trim().split_once(' ').ok_or(RtcError::Fingerprint)?;
    if !algorithm.eq_ignore_ascii_case("sha-256") {
        return Err(RtcError::Fingerprint);
    }
    let mut bytes = [0; 32];
    let mut parts = hex.trim().split(':');
    for byte in &mut bytes {
        let part = parts.next().ok_or(RtcError::Fingerprint)?;
        if part.len() != 2 || !part.bytes().all(|digit| digit.is_ascii_hexdigit()) {
            return Err(RtcError::Fingerprint);
        }
        *byte = u8::from_str_radix(part, 16).map_err(|_| RtcError::Fingerprint)?;
    }
    match parts.next() {
        None => Ok(bytes),
        Some(_) => Err(RtcError::Fingerprint),
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    fn hex(byte: &str) -> String {
        vec![byte; 32].join(":")
    }

    fn offer(lines: &[&str]) -> String {
        let mut sdp = "v=0\r\nm=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:0\r\n".to_owned();
        for line in lines {
            sdp.push_str(line);
            sdp.push_str("\r\n");
        }
        sdp
    }

    #[test]
    fn reads_fingerprint_limit_and_mid() {
        let fingerprint = format!("a=fingerprint:sha-256 {}", hex("aB"));
        let sdp = offer(&[&fingerprint, "a=max-message-size:131072"]);
        let description = Description::parse(&sdp).unwrap();
        assert_eq!(description.fingerprint, [0xab; 32]);
        assert_eq!(description.max_message_size, 131_072);
        assert_eq!(description.mid.as_deref(), Some("0"));
    }

    #[test]
    fn message_limit_defaults_and_is_capped() {
        let fingerprint = format!("a=fingerprint:sha-256 {}", hex("01"));
        let size = |line: &str| Description::parse(&offer(&[&fingerprint, line])).unwrap().max_message_size;
        assert_eq!(size("a=ok"), DEFAULT_MESSAGE_SIZE);
        assert_eq!(size("a=max-message-size:0"), MAX_MESSAGE_SIZE);
        assert_eq!(size("a=max-message-size:99999999999"), MAX_MESSAGE_SIZE);
        assert_eq!(size("a=max-message-size:1200"), 1200);
    }

    #[test]
    fn refuses_what_is_not_one_data_section_with_one_fingerprint() {
        let one = format!("a=fingerprint:sha-256 {}", hex("01"));
        let two = format!("a=fingerprint:sha-256 {}", hex("02"));
        let sha1 = format!("a=fingerprint:sha-1 {}", hex("01"));
        let long = format!("a=fingerprint:sha-256 {}:01", hex("01"));
        let sign = format!("a=fingerprint:sha-256 {}", hex("+1"));
        for lines in [vec![], vec![&one[..], &two], vec![&sha1], vec![&long], vec![&sign]] {
            let result = Description::parse(&offer(&lines));
            assert_eq!(result, Err(RtcError::Fingerprint), "{lines:?}");
        }
        for extra in ["m=audio 9 UDP/TLS/RTP/SAVPF 111", "m=application 9 UDP/DTLS/SCTP webrtc-datachannel"] {
            let result = Description::parse(&offer(&[&one, extra]));
            assert!(matches!(result, Err(RtcError::Description(_))), "{extra}");
        }
        assert!(matches!(
            Description::parse(&"x".repeat(MAX_DESCRIPTION + 1)),
            Err(RtcError::Description(_))
        ));
    }
}
