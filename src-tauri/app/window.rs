//! What goes to the window: each view at most four times a second, and what happened beside.

use crate::api::{AppEvent, Notice};
use std::collections::BTreeSet;
use std::time::Duration;

/// The least time between two views of the same thing.
pub const PACE: Duration = Duration::from_millis(250);

/// Takes events to a window.
pub type Outlet = Box<dyn Fn(AppEvent) + Send + Sync>;

/// What is still to be said, and to whom.
#[derive(Default)]
pub struct Outbox {
    outlet: Option<Outlet>,
    shares: BTreeSet<String>,
    downloads: BTreeSet<String>,
    events: Vec<AppEvent>,
    // For a window that is not there yet.
    notices: Vec<Notice>,
}

/// What the window is to be told now.
pub struct Due {
    /// Shares whose view has changed.
    pub shares: BTreeSet<String>,
    /// Downloads whose view has changed.
    pub downloads: BTreeSet<String>,
    /// What comes after those views.
    pub events: Vec<AppEvent>,
}

impl Outbox {
    /// A window listens from now on, and the one before no more. What it is to know first.
    pub fn subscribe(&mut self, outlet: Outlet) -> Vec<Notice> {
        self.outlet = Some(outlet);
        self.shares.clear();
        self.downloads.clear();
        std::mem::take(&mut self.notices)
    }

    /// The view of a share is another.
    pub fn touch_share(&mut self, id: &str) {
        if !self.shares.contains(id) {
            self.shares.insert(id.to_owned());
        }
    }

    /// The view of a download is another.
    pub fn touch_download(&mut self, id: &str) {
        if !self.downloads.contains(id) {
            self.downloads.insert(id.to_owned());
        }
    }

    /// Something else is to be said. Before a window is there, only what it would not see by itself is kept: the
    /// last place that was asked for, and notices.
    pub fn say(&mut self, event: AppEvent) {
        match event {
            AppEvent::Notice { notice } if self.outlet.is_none() => self.notices.push(notice),
            AppEvent::Show { .. } if self.outlet.is_none() => self.events = vec![event],
            event if self.outlet.is_some() => self.events.push(event),
            _ => {}
        }
    }

    /// What is due, if there is a window to be told.
    pub fn take(&mut self) -> Option<Due> {
        self.outlet.as_ref()?;
        Some(Due {
            shares: std::mem::take(&mut self.shares),
            downloads: std::mem::take(&mut self.downloads),
            events: std::mem::take(&mut self.events),
        })
    }

    /// Tells the window.
    pub fn tell(&self, event: AppEvent) {
        if let Some(outlet) = &self.outlet {
            outlet(event);
        }
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;
    use crate::api::Place;

    fn show(id: &str) -> AppEvent {
        AppEvent::Show { place: Place::Receive, id: Some(id.to_owned()) }
    }

    #[test]
    fn what_happened_before_the_window_was_there_is_not_lost() {
        let mut outbox = Outbox::default();
        outbox.say(AppEvent::Notice { notice: Notice::NoTray });
        outbox.say(show("old"));
        outbox.say(show("new"));
        outbox.say(AppEvent::History);
        outbox.touch_share("1");
        assert!(outbox.take().is_none());
        assert_eq!(outbox.subscribe(Box::new(|_| ())), [Notice::NoTray]);
        let due = outbox.take().unwrap();
        assert!(due.shares.is_empty(), "the snapshot has it");
        assert!(matches!(&due.events[..], [AppEvent::Show { id: Some(id), .. }] if id == "new"));
        outbox.touch_share("1");
        outbox.touch_share("1");
        outbox.say(AppEvent::Notice { notice: Notice::NoTray });
        let due = outbox.take().unwrap();
        assert_eq!((due.shares.len(), due.events.len()), (1, 1));
        assert!(outbox.take().unwrap().shares.is_empty());
    }
}
