//! The words of the tray and of notifications, in the person's language.

use serde_json::Value;
use std::collections::BTreeMap;

/// The languages that there are words for, and the words; the first stands in for all others.
const LANGUAGES: [(&str, &str); 5] = [
    ("en", include_str!("messages/en.json")),
    ("de", include_str!("messages/de.json")),
    ("fr", include_str!("messages/fr.json")),
    ("es", include_str!("messages/es.json")),
    ("zh", include_str!("messages/zh.json")),
];

/// The words of one language.
#[derive(Debug, Clone)]
pub struct Texts {
    words: BTreeMap<String, String>,
}

impl Texts {
    /// Those for a tag of BCP 47, such as `de-AT`.
    pub fn of(tag: &str) -> Self {
        let primary = tag.split(['-', '_']).next().unwrap_or_default();
        let found = LANGUAGES.iter().find(|(language, _)| language.eq_ignore_ascii_case(primary));
        let (_, catalogue) = found.unwrap_or(&LANGUAGES[0]);
        Texts { words: parse(catalogue) }
    }

    /// The text under `key`, with `{name}` and the like replaced.
    pub fn get(&self, key: &str, values: &[(&str, &str)]) -> String {
        let text = self.words.get(key).map_or(key, String::as_str);
        let mut said = String::new();
        let mut rest = text;
        // In one pass, so that a value that looks like a placeholder stays what it is.
        while let Some((before, name, after)) = rest
            .split_once('{')
            .and_then(|(before, rest)| rest.split_once('}').map(|(name, after)| (before, name, after)))
        {
            said.push_str(before);
            match values.iter().find(|(known, _)| *known == name) {
                Some((_, value)) => said.push_str(value),
                None => said.extend(["{", name, "}"]),
            }
            rest = after;
        }
        said.push_str(rest);
        said
    }

    /// A rate as people read it: `12.4 MB/s`.
    pub fn rate(&self, bytes: u64) -> String {
        let (mut value, mut unit) = (bytes as f64, "B");
        for larger in ["kB", "MB", "GB"] {
            if value < 999.5 {
                break;
            }
            (value, unit) = (value / 1000.0, larger);
        }
        let digits = usize::from(unit != "B" && value < 99.95);
        let number = format!("{value:.digits$}").replace('.', &self.get("decimal", &[]));
        format!("{number} {unit}/s")
    }
}

/// The system's language, as a tag of BCP 47.
pub fn system_language() -> String {
    sys_locale::get_locale().filter(|tag| tag.len() >= 2 && tag != "POSIX").unwrap_or_else(|| "en".to_owned())
}

fn parse(catalogue: &str) -> BTreeMap<String, String> {
    let words: BTreeMap<String, Value> = serde_json::from_str(catalogue).unwrap_or_default();
    words.into_iter().filter_map(|(key, text)| Some((key, text.as_str()?.to_owned()))).collect()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use std::collections::BTreeSet;

    fn placeholders(text: &str) -> BTreeSet<&str> {
        text.split('{').skip(1).map(|rest| rest.split_once('}').unwrap().0).collect()
    }

    #[test]
    fn no_text_is_missing_in_any_language() {
        let english = parse(LANGUAGES[0].1);
        assert!(english.len() > 10);
        for (language, catalogue) in LANGUAGES {
            let words = parse(catalogue);
            assert_eq!(words.keys().collect::<Vec<_>>(), english.keys().collect::<Vec<_>>(), "{language}");
            for (key, text) in &words {
                assert!(!text.is_empty(), "{language} {key}");
                assert_eq!(placeholders(text), placeholders(&english[key]), "{language} {key}");
            }
        }
    }

    // The keys stand in the code as they are.
    #[test]
    fn every_text_is_used_and_every_text_that_is_used_is_there() {
        let code = [
            include_str!("notify.rs"),
            include_str!("tray.rs"),
            include_str!("texts.rs"),
            include_str!("awake.rs"),
            include_str!("dialogs.rs"),
        ]
        .concat();
        let words = parse(LANGUAGES[0].1);
        for key in words.keys() {
            assert!(code.contains(&format!("\"{key}\"")), "{key} is not used");
        }
        for part in code.split(".get(\"").skip(1) {
            let key = part.split('"').next().unwrap();
            assert!(words.contains_key(key) || key.contains('.'), "{key} is missing");
        }
    }

    #[test]
    fn a_language_is_found_by_its_first_part() {
        let show = |tag: &str| Texts::of(tag).get("show", &[]);
        assert_eq!(show("de-AT"), show("de"));
        assert_eq!(show("zh_Hans_CN"), show("zh"));
        assert_ne!(show("de"), show("en"));
        assert_eq!(show("tlh"), show("en"));
        assert_eq!(show(""), show("en"));
    }

    #[test]
    fn a_value_is_put_in_as_it_is() {
        let texts = Texts::of("en");
        let said = texts.get("started", &[("name", "{share}"), ("share", "x")]);
        assert!(said.contains("{share}"), "{said}");
    }

    #[test]
    fn rates_are_short() {
        let (english, german) = (Texts::of("en"), Texts::of("de"));
        let said = |bytes| english.rate(bytes);
        assert_eq!(
            [said(0), said(999), said(1000), said(12_345_678)],
            ["0 B/s", "999 B/s", "1.0 kB/s", "12.3 MB/s"]
        );
        assert_eq!(
            [said(999_600), said(123_400_000), said(5_000_000_000)],
            ["1.0 MB/s", "123 MB/s", "5.0 GB/s"]
        );
        assert_eq!(german.rate(12_345_678), "12,3 MB/s");
    }
}
