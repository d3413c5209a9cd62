//! The handshake: Noise_NXpsk0_25519_AESGCM_SHA256 (Noise Protocol Framework, revision 34) between the two ends
//! of a data channel, and the sealed control channel that comes out of it.
//!
//! The receiver starts. The pre-shared key proves to each that the other holds the link; the sender's static key,
//! whose hash stands in the link, proves that it is the one that made it; both payloads carry the DTLS
//! fingerprints as each end saw them, so that a server that swapped them is found out.

use crate::VERSION;
use crate::crypto::Key;
use crate::error::Code;
use crate::id::{ShareId, sender_hash};
use crate::wire::{Reader, WireError, Writer};
use sha2::{Digest, Sha256};
use snow::params::{CipherChoice, DHChoice, HashChoice, NoiseParams};
use snow::resolvers::{CryptoResolver, DefaultResolver};
use snow::types::{Cipher, Dh, Hash, Random};
use zeroize::{Zeroize, ZeroizeOnDrop};

const PATTERN: &str = "Noise_NXpsk0_25519_AESGCM_SHA256";
const MAX_HANDSHAKE_LEN: usize = 1024;
/// The longest display name of a receiver or a share, in bytes.
pub const MAX_NAME_LEN: usize = 255;

const ACCEPTED: u8 = 0;
const LINK_REJECTED: u8 = 1;
const VERSION_UNSUPPORTED: u8 = 2;
const FINGERPRINT_MISMATCH: u8 = 3;

/// Why a handshake ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum HandshakeError {
    /// The other side's link secret or password differs.
    #[error("the link or password is not the one of this share")]
    LinkRejected,
    /// The static key is not the one in the link.
    #[error("the peer is not the one that made the link")]
    SenderNotAuthentic,
    /// The ends saw different DTLS fingerprints.
    #[error("the DTLS fingerprints were changed on their way")]
    FingerprintMismatch,
    /// Another protocol version.
    #[error("the peer speaks another version of the protocol")]
    Version,
    /// Not a handshake message.
    #[error("the handshake message is malformed")]
    Malformed,
}

impl HandshakeError {
    /// The stable code of this error.
    pub fn code(self) -> Code {
        match self {
            HandshakeError::LinkRejected => Code::LinkRejected,
            HandshakeError::SenderNotAuthentic => Code::SenderNotAuthentic,
            HandshakeError::FingerprintMismatch => Code::FingerprintMismatch,
            HandshakeError::Version => Code::VersionUnsupported,
            HandshakeError::Malformed => Code::FrameInvalid,
        }
    }
}

impl From<WireError> for HandshakeError {
    fn from(_: WireError) -> Self {
        HandshakeError::Malformed
    }
}

/// The sender's static X25519 key pair; its public half is what a link's sender hash stands for.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct SenderKeys {
    private: [u8; 32],
    public: [u8; 32],
}

impl SenderKeys {
    /// The key pair with these private bytes, which must come from a secure random source.
    pub fn from_private(private: [u8; 32]) -> Self {
        let mut dh = DefaultResolver.resolve_dh(&DHChoice::Curve25519).expect("Curve25519 is built in");
        dh.set(&private);
        let mut public = [0; 32];
        public.copy_from_slice(dh.pubkey());
        SenderKeys { private, public }
    }

    /// What the link carries; see [`sender_hash`].
    pub fn hash(&self) -> [u8; 16] {
        sender_hash(&self.public)
    }
}

impl std::fmt::Debug for SenderKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SenderKeys(..)")
    }
}

/// What ties a handshake to one DTLS connection: SHA-256("sluice/1 binding" ‖ sender's ‖ receiver's certificate
/// fingerprint), both SHA-256 fingerprints as one end sees them.
pub fn binding(sender: &[u8; 32], receiver: &[u8; 32]) -> [u8; 32] {
    let mut hash = Sha256::new();
    hash.update("sluice/1 binding");
    hash.update(sender);
    hash.update(receiver);
    hash.finalize().into()
}

/// What both ends must know before they can shake hands.
#[derive(Clone)]
pub struct Context {
    /// The share.
    pub share: ShareId,
    /// See [`crate::crypto::psk`].
    pub psk: Key,
    /// See [`binding`].
    pub binding: [u8; 32],
}

/// The receiver's half, between its message and the sender's answer.
pub struct Initiator {
    noise: Box<snow::HandshakeState>,
    sender: [u8; 16],
    binding: [u8; 32],
}

/// What the receiver learns.
#[derive(Debug)]
pub struct Greeting {
    /// The share's display name.
    pub name: String,
    /// The key that file keys are derived from.
    pub session: Key,
}

impl Initiator {
    /// Starts a handshake and gives its first message. `sender` is the hash in the link, `name` what the sender
    /// may show of this receiver (cut to [`MAX_NAME_LEN`]), `seed` 32 fresh random bytes.
    pub fn new(context: &Context, sender: [u8; 16], name: &str, seed: [u8; 32]) -> (Self, Vec<u8>) {
        let mut noise = builder(context, seed).build_initiator().expect("all keys of the pattern are given");
        let mut payload = context.binding.to_vec();
        Writer::bytes(&mut payload, cut(name).as_bytes());
        let message = [&VERSION.to_le_bytes()[..], &write(&mut noise, &payload)].concat();
        (Initiator { noise: Box::new(noise), sender, binding: context.binding }, message)
    }

    /// Reads the sender's answer.
    ///
    /// # Errors
    /// [`HandshakeError`].
    pub fn finish(mut self, message: &[u8]) -> Result<(ControlChannel, Greeting), HandshakeError> {
        let mut reader = Reader::new(message);
        match reader.u8()? {
            ACCEPTED => {}
            LINK_REJECTED => return Err(HandshakeError::LinkRejected),
            VERSION_UNSUPPORTED => return Err(HandshakeError::Version),
            FINGERPRINT_MISMATCH => return Err(HandshakeError::FingerprintMismatch),
            _ => return Err(HandshakeError::Malformed),
        }
        let payload = read(&mut self.noise, reader.take(reader.left())?)?;
        let public: [u8; 32] = self
            .noise
            .get_remote_static()
            .and_then(|key| key.try_into().ok())
            .ok_or(HandshakeError::SenderNotAuthentic)?;
        if sender_hash(&public) != self.sender {
            return Err(HandshakeError::SenderNotAuthentic);
        }
        let mut payload = Reader::new(&payload);
        if payload.array()? != self.binding {
            return Err(HandshakeError::FingerprintMismatch);
        }
        let session = Key::new(payload.array()?);
        let name = payload.text(MAX_NAME_LEN)?.to_owned();
        payload.end()?;
        Ok((ControlChannel::new(*self.noise), Greeting { name, session }))
    }
}

/// The sender's answer to a handshake.
pub struct Accepted {
    /// Sealed control messages from here on.
    pub channel: ControlChannel,
    /// The key that file keys are derived from.
    pub session: Key,
    /// What the receiver calls itself.
    pub name: String,
}

/// The sender's whole half: reads the receiver's first message and writes the answer, which is to be sent in
/// either case. `seed` is 64 fresh random bytes: for the ephemeral key and for the session key.
pub fn respond(
    context: &Context,
    keys: &SenderKeys,
    name: &str,
    message: &[u8],
    seed: &[u8; 64],
) -> (Vec<u8>, Result<Accepted, HandshakeError>) {
    match try_respond(context, keys, name, message, seed) {
        Ok((answer, accepted)) => (answer, Ok(accepted)),
        Err(error) => {
            let status = match error {
                HandshakeError::Version => VERSION_UNSUPPORTED,
                HandshakeError::FingerprintMismatch => FINGERPRINT_MISMATCH,
                _ => LINK_REJECTED,
            };
            (vec![status], Err(error))
        }
    }
}

fn try_respond(
    context: &Context,
    keys: &SenderKeys,
    name: &str,
    message: &[u8],
    seed: &[u8; 64],
) -> Result<(Vec<u8>, Accepted), HandshakeError> {
    let mut reader = Reader::new(message);
    if reader.u16()? != VERSION {
        return Err(HandshakeError::Version);
    }
    let (mut ephemeral, mut session) = ([0; 32], [0; 32]);
    ephemeral.copy_from_slice(&seed[..32]);
    session.copy_from_slice(&seed[32..]);
    let mut noise = builder(context, ephemeral)
        .local_private_key(&keys.private)
        .and_then(snow::Builder::build_responder)
        .expect("all keys of the pattern are given");
    let payload = read(&mut noise, reader.take(reader.left())?)?;
    let mut payload = Reader::new(&payload);
    if payload.array()? != context.binding {
        return Err(HandshakeError::FingerprintMismatch);
    }
    let receiver = payload.text(MAX_NAME_LEN)?.to_owned();
    payload.end()?;
    let mut greeting = context.binding.to_vec();
    greeting.extend(session);
    Writer::bytes(&mut greeting, cut(name).as_bytes());
    let answer = [&[ACCEPTED][..], &write(&mut noise, &greeting)].concat();
    greeting.zeroize();
    let accepted =
        Accepted { channel: ControlChannel::new(noise), session: Key::new(session), name: receiver };
    Ok((answer, accepted))
}

fn builder(context: &Context, seed: [u8; 32]) -> snow::Builder<'_> {
    let params: NoiseParams = PATTERN.parse().expect("the pattern is a valid one");
    snow::Builder::with_resolver(params, Box::new(Seeded(seed)))
        .psk(0, &context.psk.0)
        .and_then(|builder| builder.prologue(&context.share.0))
        .expect("each is given once")
}

fn write(noise: &mut snow::HandshakeState, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![0; MAX_HANDSHAKE_LEN];
    let len = noise.write_message(payload, &mut out).expect("the payload is short and it is our turn");
    out.truncate(len);
    out
}

fn read(noise: &mut snow::HandshakeState, message: &[u8]) -> Result<Vec<u8>, HandshakeError> {
    if message.len() > MAX_HANDSHAKE_LEN {
        return Err(HandshakeError::Malformed);
    }
    let mut out = vec![0; MAX_HANDSHAKE_LEN];
    match noise.read_message(message, &mut out) {
        Ok(len) => {
            out.truncate(len);
            Ok(out)
        }
        Err(snow::Error::Decrypt) => Err(HandshakeError::LinkRejected),
        Err(_) => Err(HandshakeError::Malformed),
    }
}

fn cut(name: &str) -> &str {
    &name[..name.floor_char_boundary(MAX_NAME_LEN)]
}

/// Control messages, sealed by Noise in the order that they are sent.
pub struct ControlChannel {
    noise: Box<snow::TransportState>,
}

/// A control message is not the next one that the other side sealed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the control message does not authenticate")]
pub struct ControlForged;

impl ControlChannel {
    fn new(noise: snow::HandshakeState) -> Self {
        let noise = noise.into_transport_mode().expect("both messages were exchanged");
        ControlChannel { noise: Box::new(noise) }
    }

    /// Seals `plaintext`, which is at most [`crate::frame::MAX_CONTROL_LEN`] bytes.
    pub fn seal(&mut self, plaintext: &[u8]) -> Vec<u8> {
        let mut out = vec![0; plaintext.len() + 16];
        let len = self
            .noise
            .write_message(plaintext, &mut out)
            .expect("a control message is short, and 2^64 of them are never sent");
        out.truncate(len);
        out
    }

    /// Opens the next message.
    ///
    /// # Errors
    /// [`ControlForged`] if it was changed, replayed, reordered or left out.
    pub fn open(&mut self, sealed: &[u8]) -> Result<Vec<u8>, ControlForged> {
        let mut out = vec![0; sealed.len()];
        let len = self.noise.read_message(sealed, &mut out).map_err(|_| ControlForged)?;
        out.truncate(len);
        Ok(out)
    }
}

// Gives snow its primitives, with randomness that the caller brought.
struct Seeded([u8; 32]);

impl CryptoResolver for Seeded {
    fn resolve_rng(&self) -> Option<Box<dyn Random>> {
        Some(Box::new(SeededRandom { seed: self.0, counter: 0 }))
    }
    fn resolve_dh(&self, choice: &DHChoice) -> Option<Box<dyn Dh>> {
        DefaultResolver.resolve_dh(choice)
    }
    fn resolve_hash(&self, choice: &HashChoice) -> Option<Box<dyn Hash>> {
        DefaultResolver.resolve_hash(choice)
    }
    fn resolve_cipher(&self, choice: &CipherChoice) -> Option<Box<dyn Cipher>> {
        DefaultResolver.resolve_cipher(choice)
    }
}

#[derive(Zeroize, ZeroizeOnDrop)]
struct SeededRandom {
    seed: [u8; 32],
    counter: u64,
}

impl Random for SeededRandom {
    fn try_fill_bytes(&mut self, dest: &mut [u8]) -> Result<(), snow::Error> {
        for block in dest.chunks_mut(32) {
            let mut hash = Sha256::new();
            hash.update("sluice/1 ephemeral");
            hash.update(self.seed);
            hash.update(self.counter.to_le_bytes());
            self.counter += 1;
            block.copy_from_slice(&hash.finalize()[..block.len()]);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use proptest::prelude::*;

    fn context() -> Context {
        Context { share: ShareId([1; 16]), psk: Key::new([2; 32]), binding: [3; 32] }
    }

    type Ends = ((ControlChannel, Greeting), Accepted);

    fn shake(
        receiver: &Context,
        sender: &Context,
        known: [u8; 16],
    ) -> Result<Ends, (HandshakeError, Option<HandshakeError>)> {
        let keys = SenderKeys::from_private([4; 32]);
        let (initiator, hello) = Initiator::new(receiver, known, "Ana", [5; 32]);
        let (answer, accepted) = respond(sender, &keys, "photos", &hello, &[6; 64]);
        let finished = initiator.finish(&answer);
        match (finished, accepted) {
            (Ok(finished), Ok(accepted)) => Ok((finished, accepted)),
            (finished, accepted) => Err((finished.err().unwrap(), accepted.err())),
        }
    }

    #[test]
    fn both_ends_agree() {
        let hash = SenderKeys::from_private([4; 32]).hash();
        let ((mut a, greeting), mut b) = shake(&context(), &context(), hash).unwrap();
        assert_eq!((greeting.name.as_str(), b.name.as_str()), ("photos", "Ana"));
        assert_eq!(greeting.session, b.session);
        for text in [&b"one"[..], b"two"] {
            let sealed = a.seal(text);
            assert_eq!(b.channel.open(&sealed).unwrap(), text);
            assert_eq!(b.channel.open(&sealed), Err(ControlForged));
        }
    }

    #[test]
    fn every_difference_has_its_name() {
        use HandshakeError::*;
        let hash = SenderKeys::from_private([4; 32]).hash();
        let check = |receiver: &Context, sender: &Context, known, expected| {
            assert_eq!(shake(receiver, sender, known).err(), Some(expected));
        };
        let wrong_psk = Context { psk: Key::new([9; 32]), ..context() };
        check(&wrong_psk, &context(), hash, (LinkRejected, Some(LinkRejected)));
        let wrong_share = Context { share: ShareId([9; 16]), ..context() };
        check(&wrong_share, &context(), hash, (LinkRejected, Some(LinkRejected)));
        let swapped = Context { binding: [9; 32], ..context() };
        check(&swapped, &context(), hash, (FingerprintMismatch, Some(FingerprintMismatch)));
        check(&context(), &context(), [9; 16], (SenderNotAuthentic, None));
    }

    #[test]
    fn a_lying_sender_does_not_hide_the_swap() {
        // One that skips its own check still can't show the receiver the receiver's binding.
        let keys = SenderKeys::from_private([4; 32]);
        let receiver = Context { binding: [8; 32], ..context() };
        let (initiator, hello) = Initiator::new(&receiver, keys.hash(), "", [5; 32]);
        let mut noise =
            builder(&context(), [6; 32]).local_private_key(&keys.private).unwrap().build_responder().unwrap();
        read(&mut noise, &hello[2..]).unwrap();
        let mut payload = vec![3; 64];
        Writer::bytes(&mut payload, b"x");
        let answer = [&[ACCEPTED][..], &write(&mut noise, &payload)].concat();
        assert_eq!(initiator.finish(&answer).err(), Some(HandshakeError::FingerprintMismatch));
    }

    #[test]
    fn other_versions_are_refused() {
        let (initiator, mut hello) = Initiator::new(&context(), [0; 16], "", [5; 32]);
        hello[0] = 99;
        let (answer, accepted) =
            respond(&context(), &SenderKeys::from_private([4; 32]), "", &hello, &[6; 64]);
        assert_eq!(accepted.err(), Some(HandshakeError::Version));
        assert_eq!(initiator.finish(&answer).err(), Some(HandshakeError::Version));
    }

    proptest! {
        #[test]
        fn any_bytes_are_answered_without_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let keys = SenderKeys::from_private([4; 32]);
            prop_assert!(respond(&context(), &keys, "", &bytes, &[6; 64]).1.is_err());
            let (initiator, _) = Initiator::new(&context(), keys.hash(), "", [5; 32]);
            prop_assert!(initiator.finish(&bytes).is_err());
        }
    }
}
