//! Downloads: what a person does with them. `run` keeps one going.

mod run;

use crate::api::{AppEvent, ConflictChoice, DownloadState, Failure, HistoryItem, Notice, Place, Rows};
use crate::kept::{KeptDownload, KeptPath};
use crate::model::download::{DownloadModel, DownloadStart};
use crate::places::free_space;
use crate::state::{Desk, Shell, new_id};
use sluice_engine::disk::{Conflict, Selection};
use sluice_engine::receive::Choice;
use sluice_protocol::error::Code;
use sluice_protocol::link::Link;
use std::path::{Path, PathBuf};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

/// A download, with what keeps it going.
pub struct Download {
    /// What is kept of it.
    pub kept: KeptDownload,
    /// What is seen of it.
    pub model: DownloadModel,
    run: Option<Run>,
}

struct Run {
    cancel: CancellationToken,
    // Until the person has chosen.
    choice: Option<oneshot::Sender<Choice>>,
    task: JoinHandle<()>,
}

impl Download {
    fn new(kept: KeptDownload) -> Self {
        let server =
            Link::parse(&kept.link).map(|link| link.server.authority().to_owned()).unwrap_or_default();
        let folder = kept.folder.to_path();
        let mut model = DownloadModel::new(DownloadStart {
            id: kept.id.clone(),
            name: kept.name.clone(),
            server,
            started: kept.started,
            flips: kept.flips.clone(),
            offer: kept.offer,
            chosen: kept.chosen,
            progress: kept.progress.clone(),
            folder: folder.display().to_string(),
            conflict: kept.conflict,
            begun_at: kept.begun_at,
        });
        model.set_folder(folder.display().to_string(), free_space(&folder));
        if let Some(code) = kept.failed {
            model.handle_failure(code, None);
        } else if kept.paused {
            model.handle_pause();
        }
        Download { kept, model, run: None }
    }

    /// What is kept of it, as it is now; nothing once it is done.
    pub fn to_keep(&self) -> Option<KeptDownload> {
        if self.model.state() == &DownloadState::Done {
            return None;
        }
        let flips = if self.kept.started { self.kept.flips.clone() } else { self.model.tree.flips() };
        Some(KeptDownload {
            flips,
            name: self.model.name().map(str::to_owned),
            offer: self.model.offer(),
            chosen: self.kept.started.then(|| self.model.chosen()),
            progress: self.model.progress().cloned(),
            ..self.kept.clone()
        })
    }

    /// Whether something goes on with it.
    pub fn is_running(&self) -> bool {
        self.run.is_some() && !self.model.is_over()
    }

    /// Stops it, to go on later; what is to be waited for.
    pub fn leave(&mut self) -> Option<JoinHandle<()>> {
        let run = self.run.take()?;
        run.cancel.cancel();
        Some(run.task)
    }

    fn choice(&self) -> Choice {
        Choice {
            out: self.kept.folder.to_path(),
            conflict: match self.kept.conflict {
                ConflictChoice::Skip => Conflict::Skip,
                ConflictChoice::Rename => Conflict::Rename,
                ConflictChoice::Overwrite => Conflict::Overwrite,
            },
            selection: Selection::with_flips(self.kept.flips.clone()),
        }
    }
}

impl Desk {
    fn download(&mut self, id: &str) -> Result<&mut Download, Failure> {
        self.outbox.touch_download(id);
        self.downloads.iter_mut().find(|download| download.kept.id == id).ok_or(Code::ShareNotFound.into())
    }

    fn remember_download(&mut self, id: &str, ended_at: u64) {
        let Some(download) = self.downloads.iter().find(|download| download.kept.id == id) else { return };
        let (model, kept) = (&download.model, &download.kept);
        let chosen = model.chosen();
        let done = model.state() == &DownloadState::Done;
        let code = match model.state() {
            DownloadState::Failed { code, .. } => Some(*code),
            _ if done => None,
            _ => Some(Code::Interrupted),
        };
        let item = HistoryItem {
            id: new_id().unwrap_or_else(|_| id.to_owned()),
            shared: false,
            name: model.name().unwrap_or_default().to_owned(),
            entries: chosen.entries,
            bytes: chosen.bytes,
            done: u32::from(done),
            code: code.map(|code| code.as_str().to_owned()),
            folder: Some(kept.folder.to_path().display().to_string()),
            begun_at: kept.begun_at,
            ended_at,
        };
        self.remember(item);
    }
}

impl Shell {
    /// Opens a link: the new download's id, or that of the one that has it open already.
    ///
    /// # Errors
    /// The link's.
    pub fn open_link(&self, text: &str) -> Result<String, Failure> {
        let link = Link::parse(text.trim()).map_err(|error| Failure::detailed(error.code(), error))?;
        let web = link.to_web();
        let running = {
            let desk = self.lock();
            let open =
                desk.downloads.iter().filter(|download| download.model.state() != &DownloadState::Done);
            open.filter(|download| download.kept.link == web).map(|download| download.kept.id.clone()).next()
        };
        if let Some(id) = running {
            return Ok(id);
        }
        let (id, now, folder) = (new_id()?, self.now(), self.download_folder());
        let mut download = Download::new(KeptDownload {
            id: id.clone(),
            link: web,
            password: None,
            folder: KeptPath::from(folder.as_path()),
            conflict: ConflictChoice::default(),
            started: false,
            paused: false,
            failed: None,
            flips: std::collections::BTreeSet::new(),
            name: None,
            offer: None,
            chosen: None,
            progress: None,
            begun_at: now.wall,
        });
        if link.password {
            download.model.handle_locked(false);
        }
        self.change(|desk| {
            desk.downloads.push(download);
            desk.unkept.downloads = true;
            desk.outbox.touch_download(&id);
        });
        if !link.password {
            self.run_download(&id);
        }
        Ok(id)
    }

    /// Opens a link that came from outside, and shows what became of it.
    pub fn open_and_show(&self, text: &str) {
        match self.open_link(text) {
            Ok(id) => self.say(AppEvent::Show { place: Place::Receive, id: Some(id) }),
            Err(failure) => {
                self.say(AppEvent::Show { place: Place::Receive, id: None });
                self.say(AppEvent::Notice { notice: Notice::BadLink { code: failure.code } });
            }
        }
    }

    /// Brings back the downloads of an earlier run.
    pub(crate) fn restore_downloads(&self, kept: Vec<KeptDownload>) {
        let running: Vec<String> = self.change(|desk| {
            desk.downloads = kept.into_iter().map(Download::new).collect();
            let mut running = Vec::new();
            for download in &mut desk.downloads {
                let locked = download.kept.password.is_none()
                    && Link::parse(&download.kept.link).is_ok_and(|link| link.password);
                if locked {
                    download.model.handle_locked(false);
                } else if !download.kept.paused && download.kept.failed.is_none() {
                    running.push(download.kept.id.clone());
                }
            }
            running
        });
        running.iter().for_each(|id| self.run_download(id));
    }

    /// Gives the password that the link asks for.
    ///
    /// # Errors
    /// [`Code::ShareNotFound`].
    pub fn give_password(&self, id: &str, password: String) -> Result<(), Failure> {
        self.change(|desk| {
            desk.download(id)?.kept.password = Some(password);
            desk.unkept.downloads = true;
            Ok::<_, Failure>(())
        })?;
        self.run_download(id);
        Ok(())
    }

    /// Some of the rows of what is offered.
    ///
    /// # Errors
    /// [`Code::ShareNotFound`].
    pub fn rows(&self, id: &str, from: u32, count: u32) -> Result<Rows, Failure> {
        let desk = self.lock();
        let download = desk.downloads.iter().find(|download| download.kept.id == id);
        Ok(download.ok_or(Failure::from(Code::ShareNotFound))?.model.tree.rows(from, count.min(MAX_ROWS)))
    }

    /// Opens or closes a folder of what is offered.
    ///
    /// # Errors
    /// [`Code::ShareNotFound`].
    pub fn open_row(&self, id: &str, node: u32, open: bool) -> Result<(), Failure> {
        self.change(|desk| desk.download(id).map(|download| download.model.tree.open(node, open)))
    }

    /// Ticks or unticks an entry; `None` for all of them. Once the download has begun, the choice is made.
    ///
    /// # Errors
    /// [`Code::ShareNotFound`]; [`Code::RequestInvalid`] once it has begun.
    pub fn tick(&self, id: &str, node: Option<u32>, ticked: bool) -> Result<(), Failure> {
        self.change(|desk| {
            let download = desk.download(id)?;
            if download.kept.started {
                return Err(Code::RequestInvalid.into());
            }
            match node {
                Some(node) => download.model.tree.tick(node, ticked),
                None => download.model.tree.tick_all(ticked),
            }
            desk.unkept.downloads = true;
            Ok(())
        })
    }

    /// Where a download goes that has not begun, or has failed. Blocks.
    ///
    /// # Errors
    /// [`Code::ShareNotFound`]; [`Code::RequestInvalid`] while it goes on.
    pub fn set_folder(&self, id: &str, folder: &Path) -> Result<(), Failure> {
        let free = free_space(folder);
        self.change(|desk| {
            let download = desk.download(id)?;
            let failed = matches!(download.model.state(), DownloadState::Failed { .. });
            if download.kept.started && !failed {
                return Err(Code::RequestInvalid.into());
            }
            download.kept.folder = KeptPath::from(folder);
            download.model.set_folder(folder.display().to_string(), free);
            desk.unkept.downloads = true;
            Ok(())
        })
    }

    /// What happens to files that exist.
    ///
    /// # Errors
    /// [`Code::ShareNotFound`]; [`Code::RequestInvalid`] once it has begun.
    pub fn set_conflict(&self, id: &str, conflict: ConflictChoice) -> Result<(), Failure> {
        self.change(|desk| {
            let download = desk.download(id)?;
            if download.kept.started {
                return Err(Code::RequestInvalid.into());
            }
            download.kept.conflict = conflict;
            download.model.set_conflict(conflict);
            desk.unkept.downloads = true;
            Ok(())
        })
    }

    /// Begins to download what is ticked, as soon as there is a slot.
    ///
    /// # Errors
    /// [`Code::ShareNotFound`].
    pub fn start_download(&self, id: &str) -> Result<(), Failure> {
        let run = self.change(|desk| {
            let download = desk.download(id)?;
            if download.kept.started {
                return Ok(false);
            }
            download.kept.flips = download.model.tree.flips();
            download.kept.started = true;
            download.model.set_started();
            let choice = download.choice();
            let sender = download.run.as_mut().and_then(|run| run.choice.take());
            // One that has just ended without it begins anew.
            let heard = sender.is_some_and(|sender| sender.send(choice).is_ok());
            let locked = matches!(download.model.state(), DownloadState::PasswordNeeded { .. });
            let paused = download.kept.paused;
            desk.unkept.downloads = true;
            Ok::<_, Failure>(!heard && !locked && !paused)
        })?;
        if run {
            self.run_download(id);
        }
        Ok(())
    }

    /// Stops a download for now, or lets it go on.
    ///
    /// # Errors
    /// [`Code::ShareNotFound`].
    pub fn pause_download(&self, id: &str, paused: bool) -> Result<(), Failure> {
        self.change(|desk| {
            let download = desk.download(id)?;
            if download.model.is_over() {
                return Err(Code::RequestInvalid.into());
            }
            download.kept.paused = paused;
            if paused {
                if let Some(run) = &download.run {
                    run.cancel.cancel();
                }
                download.model.handle_pause();
            }
            desk.unkept.downloads = true;
            Ok::<_, Failure>(())
        })?;
        if !paused {
            self.run_download(id);
        }
        Ok(())
    }

    /// Lets a download go on that has failed, or takes up again what one that is done could not get.
    ///
    /// # Errors
    /// [`Code::ShareNotFound`].
    pub fn retry_download(&self, id: &str) -> Result<(), Failure> {
        let over = self.change(|desk| {
            let download = desk.download(id)?;
            download.kept.failed = None;
            download.kept.paused = false;
            let over = matches!(
                download.model.state(),
                DownloadState::Failed { .. } | DownloadState::Paused | DownloadState::Done
            );
            desk.unkept.downloads = true;
            Ok::<_, Failure>(over)
        })?;
        if over {
            self.run_download(id);
        }
        Ok(())
    }

    /// Takes a download from view, and stops it; what was verified stays on the disk.
    ///
    /// # Errors
    /// [`Code::ShareNotFound`].
    pub fn remove_download(&self, id: &str) -> Result<(), Failure> {
        let now = self.now();
        self.change(|desk| {
            let download = desk.download(id)?;
            if let Some(run) = &download.run {
                run.cancel.cancel();
            }
            if download.kept.started && download.model.state() != &DownloadState::Done {
                desk.remember_download(id, now.wall);
            }
            desk.downloads.retain(|download| download.kept.id != id);
            desk.outbox.say(AppEvent::DownloadGone { id: id.to_owned() });
            desk.unkept.downloads = true;
            Ok(())
        })
    }

    /// Where a download goes.
    ///
    /// # Errors
    /// [`Code::ShareNotFound`].
    pub fn folder_of(&self, id: &str) -> Result<PathBuf, Failure> {
        self.change(|desk| Ok(desk.download(id)?.kept.folder.to_path()))
    }
}

/// The most rows that are handed out at once.
const MAX_ROWS: u32 = 1000;
