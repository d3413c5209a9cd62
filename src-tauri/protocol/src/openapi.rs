//! Schemas of the types whose JSON is not that of their fields, for the server's OpenAPI document.

use crate::error::Code;
use crate::id::{JoinHash, JoinKey, OwnerKey, PeerId, ShareId};
use std::borrow::Cow;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

// The last character of base64url without padding carries 2 bits of 16 bytes, and 4 of 32.
const OF_16_BYTES: &str = "^[A-Za-z0-9_-]{21}[AQgw]$";
const OF_32_BYTES: &str = "^[A-Za-z0-9_-]{42}[AEIMQUYcgkosw048]$";

macro_rules! text_schema {
    ($($name:ident, $pattern:ident, $about:literal;)*) => {$(
        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                let text = ObjectBuilder::new().schema_type(Type::String);
                text.pattern(Some($pattern)).description(Some($about)).into()
            }
        }
        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                stringify!($name).into()
            }
        }
    )*};
}

text_schema! {
    ShareId, OF_16_BYTES, "Names a share.";
    PeerId, OF_16_BYTES, "Names one receiver of a share.";
    JoinHash, OF_32_BYTES, "SHA-256 of \"sluice/1 join\" and a join key.";
    OwnerKey, OF_32_BYTES, "Proves that a share is owned.";
    JoinKey, OF_32_BYTES, "Proves that a link is held.";
}

impl PartialSchema for Code {
    fn schema() -> RefOr<Schema> {
        let codes = Code::ALL.iter().map(|code| code.as_str());
        let text = ObjectBuilder::new().schema_type(Type::String).enum_values(Some(codes));
        text.description(Some("What went wrong; stable.")).into()
    }
}

impl ToSchema for Code {
    fn name() -> Cow<'static, str> {
        "Code".into()
    }
}
