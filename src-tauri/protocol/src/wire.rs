//! Reading and writing the binary forms: little-endian integers, LEB128 varints, length-prefixed bytes.

/// The bytes end too early, or hold a value that the format does not allow.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// The bytes end inside a value.
    #[error("the bytes end inside a value")]
    Truncated,
    /// A length, a count or a number is over its limit.
    #[error("a number is over its limit")]
    TooLarge,
    /// Text is not UTF-8.
    #[error("text is not UTF-8")]
    Text,
    /// A tag or flag has no meaning.
    #[error("a tag has no meaning")]
    Tag,
    /// Bytes follow where the value should end.
    #[error("bytes follow the value")]
    Trailing,
}

/// A cursor over received bytes. It never allocates more than the bytes it was given.
#[derive(Debug, Clone)]
pub struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    /// Starts at the first of `bytes`.
    pub fn new(bytes: &'a [u8]) -> Self {
        Reader { rest: bytes }
    }

    /// How many bytes are left.
    pub fn left(&self) -> usize {
        self.rest.len()
    }

    /// The next `len` bytes.
    pub fn take(&mut self, len: usize) -> Result<&'a [u8], WireError> {
        let (taken, rest) = self.rest.split_at_checked(len).ok_or(WireError::Truncated)?;
        self.rest = rest;
        Ok(taken)
    }

    /// The next `N` bytes as an array.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], WireError> {
        let mut out = [0; N];
        out.copy_from_slice(self.take(N)?);
        Ok(out)
    }

    /// One byte.
    pub fn u8(&mut self) -> Result<u8, WireError> {
        Ok(self.array::<1>()?[0])
    }

    /// A little-endian `u16`.
    pub fn u16(&mut self) -> Result<u16, WireError> {
        self.array().map(u16::from_le_bytes)
    }

    /// A little-endian `u32`.
    pub fn u32(&mut self) -> Result<u32, WireError> {
        self.array().map(u32::from_le_bytes)
    }

    /// A LEB128 varint of at most 64 bits, in its shortest form.
    pub fn varint(&mut self) -> Result<u64, WireError> {
        let mut value = 0_u64;
        for shift in (0..64).step_by(7) {
            let byte = self.u8()?;
            let bits = u64::from(byte & 0x7f);
            if shift == 63 && bits > 1 {
                return Err(WireError::TooLarge);
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                // One form a value, so that equal values have equal bytes.
                return if byte == 0 && shift > 0 { Err(WireError::Tag) } else { Ok(value) };
            }
        }
        Err(WireError::TooLarge)
    }

    /// A varint that fits a `u32`.
    pub fn varint32(&mut self) -> Result<u32, WireError> {
        u32::try_from(self.varint()?).map_err(|_| WireError::TooLarge)
    }

    /// A zigzag-coded signed varint.
    pub fn signed(&mut self) -> Result<i64, WireError> {
        let raw = self.varint()?;
        Ok((raw >> 1) as i64 ^ -((raw & 1) as i64))
    }

    /// A flag: 0 or 1, nothing else.
    pub fn flag(&mut self) -> Result<bool, WireError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(WireError::Tag),
        }
    }

    /// Bytes behind a varint length of at most `max`.
    pub fn bytes(&mut self, max: usize) -> Result<&'a [u8], WireError> {
        let len = usize::try_from(self.varint()?).map_err(|_| WireError::TooLarge)?;
        if len > max {
            return Err(WireError::TooLarge);
        }
        self.take(len)
    }

    /// UTF-8 behind a varint length of at most `max` bytes.
    pub fn text(&mut self, max: usize) -> Result<&'a str, WireError> {
        std::str::from_utf8(self.bytes(max)?).map_err(|_| WireError::Text)
    }

    /// Succeeds only if nothing is left.
    pub fn end(self) -> Result<(), WireError> {
        if self.rest.is_empty() { Ok(()) } else { Err(WireError::Trailing) }
    }
}

/// The writing side of [`Reader`]: appends to a vector.
pub trait Writer {
    /// Appends raw bytes.
    fn raw(&mut self, bytes: &[u8]);
    /// Appends a LEB128 varint.
    fn varint(&mut self, value: u64);
    /// Appends a zigzag-coded signed varint.
    fn signed(&mut self, value: i64) {
        self.varint(((value << 1) ^ (value >> 63)) as u64);
    }
    /// Appends a flag as one byte.
    fn flag(&mut self, value: bool) {
        self.raw(&[u8::from(value)]);
    }
    /// Appends bytes behind their varint length.
    fn bytes(&mut self, bytes: &[u8]) {
        self.varint(bytes.len() as u64);
        self.raw(bytes);
    }
}

impl Writer for Vec<u8> {
    fn raw(&mut self, bytes: &[u8]) {
        self.extend_from_slice(bytes);
    }

    fn varint(&mut self, mut value: u64) {
        while value >= 0x80 {
            self.push(value as u8 | 0x80);
            value >>= 7;
        }
        self.push(value as u8);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn numbers_round_trip(value: u64, signed: i64) {
            let mut out = Vec::new();
            out.varint(value);
            Writer::signed(&mut out, signed);
            let mut reader = Reader::new(&out);
            prop_assert_eq!(reader.varint(), Ok(value));
            prop_assert_eq!(reader.signed(), Ok(signed));
            prop_assert_eq!(reader.end(), Ok(()));
        }

        #[test]
        fn a_varint_has_one_form(bytes in proptest::collection::vec(any::<u8>(), 0..12)) {
            let mut reader = Reader::new(&bytes);
            if let Ok(value) = reader.varint() {
                let mut again = Vec::new();
                again.varint(value);
                prop_assert_eq!(&bytes[..bytes.len() - reader.left()], &again[..]);
            }
        }
    }

    #[test]
    fn lengths_are_checked_before_bytes_are_taken() {
        let mut out = Vec::new();
        out.varint(u64::MAX);
        assert_eq!(Reader::new(&out).bytes(16), Err(WireError::TooLarge));
        let mut short = Vec::new();
        short.varint(9);
        assert_eq!(Reader::new(&short).bytes(16), Err(WireError::Truncated));
    }
}
