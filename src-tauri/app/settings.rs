//! The settings: what a person may write into them, and what follows from a change.

use crate::api::{AppEvent, Failure, Settings, SettingsChange};
use crate::state::Shell;
use sluice_protocol::error::Code;
use sluice_protocol::link::ServerUrl;
use sluice_protocol::signal::MAX_SLOTS;
use std::path::{Path, PathBuf};

impl Shell {
    /// Takes a change of the settings. The download folder stays: it is chosen in a dialog.
    ///
    /// # Errors
    /// The code of what makes no sense in it; nothing is changed then.
    pub async fn save_settings(&self, change: SettingsChange) -> Result<(), Failure> {
        let (moved, settings) = self.change(|desk| {
            let invalid = |error| Failure::detailed(Code::RequestInvalid, error);
            let settings = checked(change.apply(&desk.settings).map_err(invalid)?)?;
            let settings = Settings { download_folder: desk.settings.download_folder.clone(), ..settings };
            let moved = desk.settings.embedded_port != settings.embedded_port;
            if moved {
                // The person asks for that port, and not for the one of the last time.
                desk.port = None;
            }
            desk.settings = settings.clone();
            desk.unkept.settings = true;
            desk.outbox.say(AppEvent::Settings { settings: Box::new(settings.clone()) });
            desk.apply_terms();
            Ok::<_, Failure>((moved, settings))
        })?;
        self.tell_settings(&settings);
        if moved {
            self.move_shares().await;
        }
        Ok(())
    }

    /// Takes the folder that the person chose for downloads.
    pub fn set_download_folder(&self, folder: &Path) {
        let settings = self.change(|desk| {
            desk.settings.download_folder = Some(folder.display().to_string());
            desk.unkept.settings = true;
            desk.outbox.say(AppEvent::Settings { settings: Box::new(desk.settings.clone()) });
            desk.settings.clone()
        });
        self.tell_settings(&settings);
    }

    /// Where downloads go.
    pub fn download_folder(&self) -> PathBuf {
        let chosen = self.lock().settings.download_folder.clone();
        chosen.map_or_else(|| self.places().downloads.clone(), PathBuf::from)
    }
}

/// The settings, tidied.
fn checked(settings: Settings) -> Result<Settings, Failure> {
    let text = |text: Option<String>| text.map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
    let server = text(settings.server)
        .map(|server| ServerUrl::parse(&server).map(|url| url.to_string()))
        .transpose()
        .map_err(|error| Failure::detailed(error.code(), error))?;
    let mut ice = settings.ice;
    ice.iter_mut().for_each(|ice| ice.url = ice.url.trim().to_owned());
    ice.retain(|ice| !ice.url.is_empty());
    if let Some(wrong) = ice.iter().find(|ice| !is_ice(&ice.url)) {
        return Err(Failure::detailed(Code::RequestInvalid, &wrong.url));
    }
    Ok(Settings {
        server,
        ice,
        slots: settings.slots.clamp(1, MAX_SLOTS),
        limit: settings.limit.filter(|&limit| limit > 0),
        name: text(settings.name),
        language: text(settings.language),
        ..settings
    })
}

// RFC 7064, RFC 7065.
fn is_ice(url: &str) -> bool {
    let rest = ["stun:", "stuns:", "turn:", "turns:"].iter().find_map(|scheme| url.strip_prefix(scheme));
    rest.is_some_and(|host| !host.is_empty() && !host.starts_with('/') && !host.contains(char::is_whitespace))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::api::IceSetting;

    fn with(change: impl FnOnce(&mut Settings)) -> Result<Settings, Code> {
        let mut settings = Settings::default();
        change(&mut settings);
        checked(settings).map_err(|failure| failure.code)
    }

    #[test]
    fn what_makes_sense_is_tidied() {
        let ice = |url: &str| IceSetting { url: url.into(), ..IceSetting::default() };
        let settings = with(|settings| {
            settings.server = Some(" https://Sluice.example/ ".into());
            settings.name = Some("  ".into());
            settings.slots = 0;
            settings.limit = Some(0);
            settings.ice = vec![ice(" stun:a:3478"), ice(""), ice("turn:[::1]:3478?transport=udp")];
        })
        .unwrap();
        assert_eq!(settings.server.as_deref(), Some("https://sluice.example"));
        assert_eq!((settings.name, settings.slots, settings.limit), (None, 1, None));
        assert_eq!(settings.ice, [ice("stun:a:3478"), ice("turn:[::1]:3478?transport=udp")]);
        assert_eq!(with(|settings| settings.server = Some(String::new())).unwrap(), Settings::default());
    }

    #[test]
    fn what_makes_none_is_refused() {
        let server = |server: &str| with(|settings| settings.server = Some(server.into()));
        assert_eq!(server("example.org").unwrap_err(), Code::LinkInvalid);
        assert_eq!(server("http://example.org").unwrap_err(), Code::LinkInsecure);
        for url in ["http://a", "stun:", "turn://a", "stun:a b"] {
            let ice = IceSetting { url: url.into(), ..IceSetting::default() };
            assert_eq!(with(|settings| settings.ice = vec![ice]).unwrap_err(), Code::RequestInvalid, "{url}");
        }
    }
}
