//! The two scripts, how they are called, and how their answers are read.

use super::link::Link;
use redis::{Cmd, ErrorKind, ServerErrorKind, ToRedisArgs, Value, cmd};
use sluice_protocol::error::Code;
use sluice_protocol::id::ShareId;
use sluice_protocol::queue::{Rules, Standing, Tier, tier};
use std::time::Duration;

/// The microseconds of a duration: what the scripts count in.
pub(super) fn micros(duration: Duration) -> u64 {
    // 2^53 microseconds are 285 years: beyond that a script's numbers are not exact.
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX).min(1 << 53)
}

/// A script, which Redis knows by its hash once it has seen it.
pub(super) struct Script {
    text: &'static str,
    hash: String,
}

impl Script {
    /// The queue of one share.
    pub(super) fn queue() -> Self {
        Self::new(concat!(include_str!("queue.lua"), include_str!("call.lua")))
    }

    /// Rates and caps of one address.
    pub(super) fn limits() -> Self {
        Self::new(include_str!("limits.lua"))
    }

    fn new(text: &'static str) -> Self {
        Script { text, hash: redis::Script::new(text).get_hash().to_owned() }
    }

    /// Runs it.
    ///
    /// # Errors
    /// [`Code::StoreUnavailable`].
    pub(super) async fn call(&self, link: &Link, arguments: &Arguments) -> Result<Vec<Value>, Code> {
        let answer = match link.try_ask(&arguments.command("EVALSHA", &self.hash)).await {
            // A node that is new, or was started again.
            Err(error) if error.kind() == ErrorKind::Server(ServerErrorKind::NoScript) => {
                link.ask(&arguments.command("EVAL", self.text)).await?
            }
            answer => answer.map_err(|error| link.unavailable(&error))?,
        };
        match answer {
            Value::Array(values) => Ok(values),
            _ => Err(Code::StoreUnavailable),
        }
    }
}

/// The keys and arguments of a call.
pub(super) struct Arguments {
    keys: Vec<String>,
    arguments: Vec<Vec<u8>>,
}

impl Arguments {
    /// A call with these keys, all of which have one hash tag.
    pub(super) fn new(keys: Vec<String>) -> Self {
        Arguments { keys, arguments: Vec::new() }
    }

    /// Adds an argument.
    pub(super) fn with(mut self, argument: impl ToRedisArgs) -> Self {
        self.arguments.extend(argument.to_redis_args());
        self
    }

    fn command(&self, name: &str, script: &str) -> Cmd {
        let mut command = cmd(name);
        command.arg(script).arg(self.keys.len());
        for key in &self.keys {
            command.arg(key);
        }
        for argument in &self.arguments {
            command.arg(argument.as_slice());
        }
        command
    }
}

/// The channel of a share, whose name is also its keys' beginning and hash tag.
pub(super) fn channel(share: ShareId) -> String {
    format!("sluice:{{{share}}}")
}

/// The share whose channel this is.
pub(super) fn share_of(channel: &[u8]) -> Option<ShareId> {
    let text = std::str::from_utf8(channel).ok()?;
    text.strip_prefix("sluice:{")?.strip_suffix('}')?.parse().ok()
}

/// The keys of a share.
pub(super) fn keys(share: ShareId) -> Vec<String> {
    let channel = channel(share);
    ["session", "active", "waiting", "progress"].iter().map(|name| format!("{channel}:{name}")).collect()
}

/// The beginning of every call of the queue's script; what the operation asks for comes behind it.
pub(super) fn call(share: ShareId, operation: &str, now: Option<Duration>, rules: &Rules) -> Arguments {
    // Longer than a share lasts whose sender is silent and then away: before that, instances end it in words.
    let outlive = 2 * (rules.presence + rules.sender_grace);
    Arguments::new(keys(share))
        .with(operation)
        .with(now.map_or(String::new(), |now| micros(now).to_string()))
        .with(micros(rules.lease))
        .with(micros(rules.grace))
        .with(micros(rules.presence))
        .with(micros(rules.sender_grace))
        .with(rules.max_receivers)
        .with(micros(outlive) / 1000)
        .with(channel(share))
}

/// What every call of the queue's script answers of a share that is known, in Redis's time.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct State {
    /// When the next tick has something to do; `None` when the share is over.
    pub(super) due: Option<u64>,
    /// How much was published.
    pub(super) seq: u64,
    /// Slots that are held or kept.
    pub(super) held: u32,
    /// Receivers in line.
    pub(super) waiting: u32,
    /// The share's slots.
    pub(super) slots: u16,
    /// Whether the sender is there.
    pub(super) sender_here: bool,
}

/// An answer of the queue's script.
#[derive(Debug)]
pub(super) struct Answer {
    /// Whether it was refused.
    pub(super) refusal: Option<Code>,
    /// When the script ran.
    pub(super) now: u64,
    /// The share, if it is known.
    pub(super) state: Option<State>,
    /// What the operation answers.
    pub(super) rest: Vec<Value>,
}

// Up to what the operation answers.
const HEAD: usize = 8;

impl Answer {
    /// Reads one; `None` for what is none.
    pub(super) fn parse(mut values: Vec<Value>) -> Option<Self> {
        let refusal = match text(values.first()?)? {
            "" => None,
            code => Some(Code::parse(code)?),
        };
        let now = number(values.get(1)?)?;
        if values.len() < HEAD {
            return Some(Answer { refusal, now, state: None, rest: Vec::new() });
        }
        let state = State {
            due: Some(number(&values[2])?).filter(|&due| due > 0),
            seq: number(&values[3])?,
            held: number(&values[4])?,
            waiting: number(&values[5])?,
            slots: number(&values[6])?,
            sender_here: number::<u8>(&values[7])? == 1,
        };
        Some(Answer { refusal, now, state: Some(state), rest: values.split_off(HEAD) })
    }
}

impl State {
    /// The standing that the script tells in `value`, its moments as `local` turns them; the inner error is the
    /// code that it tells in its stead.
    pub(super) fn standing(
        &self,
        value: &Value,
        local: impl Fn(u64) -> Duration,
    ) -> Option<Result<Standing, Code>> {
        let Value::Array(values) = value else {
            return None;
        };
        let [stage, until, arrival, ahead, held, moves] = values.as_slice() else {
            return Some(Err(Code::parse(text(values.first()?)?)?));
        };
        let ahead = number(ahead)?;
        let (tier, lease) = match text(stage)? {
            "waiting" | "ready" => (tier(number(held)?, ahead, self.slots), None),
            "promoted" => (Tier::Active, Some(local(number(until)?))),
            _ => (Tier::Active, None),
        };
        Some(Ok(Standing {
            tier,
            ahead,
            slots: self.slots,
            lease,
            arrival: number(arrival)?,
            moves: number(moves)?,
            sender_here: self.sender_here,
        }))
    }
}

/// The bytes of a string.
pub(super) fn bytes(value: &Value) -> Option<&[u8]> {
    match value {
        Value::BulkString(bytes) => Some(bytes),
        _ => None,
    }
}

/// The text of a string.
pub(super) fn text(value: &Value) -> Option<&str> {
    bytes(value).and_then(|bytes| std::str::from_utf8(bytes).ok())
}

/// A number, however it is written.
pub(super) fn number<T: TryFrom<u64>>(value: &Value) -> Option<T> {
    let number = match value {
        Value::Int(number) => u64::try_from(*number).ok()?,
        _ => text(value)?.parse().ok()?,
    };
    T::try_from(number).ok()
}
