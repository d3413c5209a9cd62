//! The STUN and TURN servers that peers are told of, and time-limited credentials for TURN.
//!
//! Credentials follow the scheme that TURN servers call REST (draft-uberti-behave-turn-rest-00; coturn's
//! `use-auth-secret`): the username is "expiry:name", the expiry in seconds since the Unix epoch, and the
//! credential is base64(HMAC-SHA1(secret, username)). The server and the TURN server share the secret and nothing else.

mod url;

use crate::role::Role;
use base64::Engine as _;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use hmac::{Hmac, Mac};
use serde::Deserialize;
use sha1::Sha1;
use sha2::Sha256;
use sluice_protocol::id::ShareId;
use sluice_protocol::signal::{IceServer, IceServers};
use std::fmt;
use std::time::Duration;

/// The shortest TURN secret that is taken, in bytes.
pub const MIN_TURN_SECRET_LEN: usize = 16;
/// For how long TURN credentials are good unless the operator says otherwise.
pub const DEFAULT_TURN_TTL: Duration = Duration::from_secs(12 * 60 * 60);

/// Why an ICE configuration is refused. Says nothing of its secrets.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum IceError {
    /// Not a list of servers as browsers take it.
    #[error("not a list of RTCIceServer: {0}")]
    Json(String),
    /// A URL is not one of STUN or TURN.
    #[error("{0} is not a URL such as stun:host:3478 or turn:host:3478?transport=udp (RFC 7064, RFC 7065)")]
    Url(String),
    /// A TURN server without the credentials that it needs, in a list.
    #[error("{0} needs a username and a credential")]
    NoCredential(String),
    /// A secret without a URL, or the other way round.
    #[error("TURN needs both URLs and a secret")]
    Incomplete,
    /// Easily guessed.
    #[error("the TURN secret is shorter than {MIN_TURN_SECRET_LEN} characters")]
    ShortSecret,
    /// Credentials that no transfer could use.
    #[error("TURN credentials must be good for a minute at least")]
    ShortTtl,
}

/// What peers are told.
#[derive(Debug, Clone, Default)]
pub struct Ice {
    fixed: Vec<IceServer>,
    turn: Option<Turn>,
}

#[derive(Clone)]
struct Turn {
    urls: Vec<String>,
    secret: String,
    ttl: Duration,
}

// The secret does not print.
impl fmt::Debug for Turn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Turn").field("urls", &self.urls).field("ttl", &self.ttl).finish_non_exhaustive()
    }
}

// RTCIceServer (W3C WebRTC §4.2.2), with the `credentialType` of its earlier versions.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Listed {
    urls: Urls,
    username: Option<String>,
    credential: Option<String>,
    #[serde(rename = "credentialType")]
    _credential_type: Option<CredentialType>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Urls {
    One(String),
    Many(Vec<String>),
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum CredentialType {
    Password,
}

impl Ice {
    /// Servers that are told as they are: a JSON list of `RTCIceServer`, as `WEBRTC_ICE_SERVERS_JSON` holds it.
    ///
    /// # Errors
    /// [`IceError::Json`], [`IceError::Url`] and [`IceError::NoCredential`].
    pub fn parse(json: &str) -> Result<Self, IceError> {
        let listed: Vec<Listed> = serde_json::from_str(json).map_err(|error| {
            // The error's own words could quote a credential.
            IceError::Json(format!("line {}, column {}", error.line(), error.column()))
        })?;
        let fixed = listed.into_iter().map(checked).collect::<Result<_, _>>()?;
        Ok(Ice { fixed, turn: None })
    }

    /// The same, and TURN servers for which credentials are made.
    ///
    /// # Errors
    /// [`IceError::Incomplete`] without URLs, [`IceError::Url`], [`IceError::ShortSecret`], [`IceError::ShortTtl`].
    pub fn with_turn(self, urls: Vec<String>, secret: &str, ttl: Duration) -> Result<Self, IceError> {
        if urls.is_empty() {
            return Err(IceError::Incomplete);
        }
        for text in &urls {
            if url::parse(text) != Some(url::Kind::Turn) {
                return Err(IceError::Url(text.clone()));
            }
        }
        let secret = secret.trim().to_owned();
        if secret.len() < MIN_TURN_SECRET_LEN {
            return Err(IceError::ShortSecret);
        }
        if ttl < Duration::from_secs(60) {
            return Err(IceError::ShortTtl);
        }
        Ok(Ice { turn: Some(Turn { urls, secret, ttl }), ..self })
    }

    /// What `role` of `share` is told at `now`, a moment since the Unix epoch.
    pub fn servers(&self, share: ShareId, role: Role, now: Duration) -> IceServers {
        let mut ice_servers = self.fixed.clone();
        let mut ttl = None;
        if let Some(turn) = &self.turn {
            let (username, credential) = turn.credentials(share, role, now);
            ice_servers.push(IceServer {
                urls: turn.urls.clone(),
                username: Some(username),
                credential: Some(credential),
            });
            ttl = Some(turn.ttl.as_secs());
        }
        IceServers { ice_servers, ttl }
    }

    /// How many servers there are, those with made credentials counted as one.
    pub fn count(&self) -> usize {
        self.fixed.len() + usize::from(self.turn.is_some())
    }
}

impl Turn {
    fn credentials(&self, share: ShareId, role: Role, now: Duration) -> (String, String) {
        let expires = (now + self.ttl).as_secs();
        let username = format!("{expires}:{}", self.name(share, role));
        let credential = STANDARD.encode(rest_hmac(&self.secret, &username));
        (username, credential)
    }

    // The same for one peer every time, so that a TURN server can hold it to a quota, but not what it is called here.
    fn name(&self, share: ShareId, role: Role) -> String {
        let mut mac: Hmac<Sha256> =
            Hmac::new_from_slice(self.secret.as_bytes()).expect("HMAC takes a key of any length");
        mac.update(b"sluice/2 turn");
        mac.update(&share.0);
        if let Role::Receiver(peer) = role {
            mac.update(&peer.0);
        }
        URL_SAFE_NO_PAD.encode(&mac.finalize().into_bytes()[..12])
    }
}

fn rest_hmac(secret: &str, username: &str) -> [u8; 20] {
    let mut mac: Hmac<Sha1> =
        Hmac::new_from_slice(secret.as_bytes()).expect("HMAC takes a key of any length");
    mac.update(username.as_bytes());
    mac.finalize().into_bytes().into()
}

fn checked(listed: Listed) -> Result<IceServer, IceError> {
    let Listed { urls, username, credential, _credential_type: _ } = listed;
    let urls = match urls {
        Urls::One(url) => vec![url],
        Urls::Many(urls) => urls,
    };
    if urls.is_empty() {
        return Err(IceError::Json("a server without urls".to_owned()));
    }
    for text in &urls {
        match url::parse(text) {
            None => return Err(IceError::Url(text.clone())),
            Some(url::Kind::Turn) if username.is_none() || credential.is_none() => {
                return Err(IceError::NoCredential(text.clone()));
            }
            Some(_) => {}
        }
    }
    Ok(IceServer { urls, username, credential })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use sluice_protocol::id::PeerId;

    const SHARE: ShareId = ShareId([1; 16]);
    const NOW: Duration = Duration::from_secs(1_700_000_000);

    #[test]
    fn credentials_are_what_others_compute() {
        // From RFC 2202, case 2.
        let known = [
            0xef, 0xfc, 0xdf, 0x6a, 0xe5, 0xeb, 0x2f, 0xa2, 0xd2, 0x74, 0x16, 0xd5, 0xf1, 0x84, 0xdf, 0x9c,
            0x25, 0x9a, 0x7c, 0x79,
        ];
        assert_eq!(rest_hmac("Jefe", "what do ya want for nothing?"), known);
        // printf %s 1433895918:username | openssl dgst -sha1 -hmac north -binary | base64
        let username = "1433895918:username";
        assert_eq!(STANDARD.encode(rest_hmac("north", username)), "Lnvy4u5dznX7KxCwfYaMn6dzmXQ=");
    }

    #[test]
    fn turn_credentials_expire_and_tell_peers_apart() {
        let urls = vec!["turn:turn.example.org:3478?transport=udp".to_owned()];
        let ice = Ice::default().with_turn(urls, "a secret of some length\n", DEFAULT_TURN_TTL).unwrap();
        let told = |role| ice.servers(SHARE, role, NOW).ice_servers[0].clone();
        let sender = told(Role::Sender);
        let username = sender.username.clone().unwrap();
        assert!(username.starts_with("1700043200:"), "{username}");
        let expected = STANDARD.encode(rest_hmac("a secret of some length", &username));
        assert_eq!(sender.credential.as_deref(), Some(&*expected));
        assert_eq!(ice.servers(SHARE, Role::Sender, NOW).ttl, Some(43_200));
        let receiver = |number| told(Role::Receiver(PeerId([number; 16])));
        assert_eq!(receiver(2), receiver(2));
        assert_ne!(receiver(2), receiver(3));
        assert_ne!(receiver(2), sender);
        for text in [format!("{ice:?}"), format!("{sender:?}")] {
            assert!(!text.contains("a secret") && !text.contains(&expected), "{text}");
        }
    }

    #[test]
    fn a_list_is_taken_as_browsers_take_it() {
        let ice = Ice::parse(
            r#"[{"urls":"stun:stun.example.org"},
                {"urls":["turn:[2001:db8::1]:3478","turns:t.example.org:443?transport=tcp"],
                 "username":"u","credential":"c","credentialType":"password"}]"#,
        )
        .unwrap();
        let told = ice.servers(SHARE, Role::Sender, NOW);
        assert_eq!((told.ice_servers.len(), told.ttl, ice.count()), (2, None, 2));
        assert_eq!(told.ice_servers[0].urls, ["stun:stun.example.org"]);
        assert_eq!(told.ice_servers[1].username.as_deref(), Some("u"));
        assert_eq!(Ice::parse("[]").unwrap().count(), 0);
    }

    #[test]
    fn what_would_fail_later_is_refused_now() {
        let refused = |json: &str| Ice::parse(json).unwrap_err();
        for json in [
            "",
            "{}",
            "[1]",
            r#"[{"username":"u"}]"#,
            r#"[{"urls":[]}]"#,
            r#"[{"urls":"stun:a","secret":"hush"}]"#,
            r#"[{"urls":"turn:a","username":"u","credential":"hush","credentialType":"oauth"}]"#,
            r#"[{"urls":"turn:a","username":"u","credential":{"hush":1}}]"#,
        ] {
            let error = refused(json);
            assert!(matches!(error, IceError::Json(_)), "{json}: {error}");
            assert!(!error.to_string().contains("hush"), "{error}");
        }
        assert!(matches!(refused(r#"[{"urls":"https://a"}]"#), IceError::Url(_)));
        assert!(matches!(refused(r#"[{"urls":"turn:a"}]"#), IceError::NoCredential(_)));

        let turn = |urls: &[&str], secret, ttl| {
            let urls = urls.iter().map(|&url| url.to_owned()).collect();
            Ice::default().with_turn(urls, secret, Duration::from_secs(ttl)).unwrap_err()
        };
        let secret = "a secret of some length";
        assert_eq!(turn(&[], secret, 3600), IceError::Incomplete);
        assert!(matches!(turn(&["stun:a"], secret, 3600), IceError::Url(_)));
        assert_eq!(turn(&["turn:a"], "  short  ", 3600), IceError::ShortSecret);
        assert_eq!(turn(&["turn:a"], secret, 59), IceError::ShortTtl);
    }
}
