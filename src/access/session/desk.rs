//! Where sessions are opened, looked up and closed.

use std::fmt;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use secrecy::{ExposeSecret, SecretString};

use super::{KIND, Opener, PREFIX, Session, SessionDigest, SessionRecord, Sessions, csrf};
use crate::access::{Actor, AdminKey, Keyring, Role};
use crate::backend::{BackendError, Change, Replica, Seen};
use crate::clock::{Clock, UnixMillis};
use crate::secret_file;

/// How long a session lasts.
const LIFETIME: Duration = Duration::from_hours(24);

/// The most sessions there are: the oldest goes for a new one.
const SESSIONS_MAX: usize = 1_000;

/// The most sessions of one opener, likewise.
const SESSIONS_OF_ONE_MAX: usize = 20;

/// How often it is written down that a session is in use, in milliseconds.
const USE_NOTED_EVERY: UnixMillis = 60_000;

/// Tells the digest of the admin key from those of tokens.
const ADMIN_KEY_LABEL: &[u8] = b"admin-key:";

/// Why a session cannot be opened or closed.
#[derive(Debug, thiserror::Error)]
pub enum SessionError {
    /// There is no such session, or it is somebody else's.
    #[error("there is no such session")]
    Missing,
    /// There is no master key, so a token could not be found again.
    #[error("there is no master key to know a session by")]
    NoMasterKey,
    /// The system has no randomness.
    #[error("the system has no randomness")]
    NoRandomness(#[source] io::Error),
    /// The backend does not take it.
    #[error("the store cannot be reached, so sessions can be neither opened nor closed now")]
    Store(#[from] BackendError),
}

/// A session that was opened just now: the only time its token is told.
#[derive(Debug)]
pub struct Opened {
    /// What is kept of it.
    pub record: SessionRecord,
    /// What it is used with.
    pub token: SecretString,
    /// The word that a page sends along with what it changes.
    pub csrf: SecretString,
}

/// A session that is good now, and who it stands for.
#[derive(Clone, Debug)]
pub struct Signed {
    /// The session.
    pub session: Arc<Session>,
    /// Who it stands for.
    pub actor: Actor,
}

/// Opens, finds and closes sessions. Cheap to clone.
#[derive(Clone)]
pub struct SessionDesk(Arc<Parts>);

struct Parts {
    sessions: Arc<Sessions>,
    keyring: Arc<Keyring>,
    admin_key: AdminKey,
    replica: Replica,
    clock: Arc<dyn Clock>,
}

impl fmt::Debug for SessionDesk {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SessionDesk")
            .field(&self.0.sessions)
            .finish()
    }
}

impl SessionDesk {
    /// A desk for the sessions that `replica` keeps up to date.
    pub fn new(
        sessions: Arc<Sessions>,
        keyring: Arc<Keyring>,
        admin_key: AdminKey,
        replica: Replica,
        clock: Arc<dyn Clock>,
    ) -> Self {
        Self(Arc::new(Parts {
            sessions,
            keyring,
            admin_key,
            replica,
            clock,
        }))
    }

    /// Opens a session for somebody who brought a key. Where there are too many, the
    /// oldest is closed.
    ///
    /// # Errors
    /// If it cannot be kept.
    pub async fn open(
        &self,
        actor: &Actor,
        label: Option<String>,
        user_agent: Option<String>,
    ) -> Result<Opened, SessionError> {
        let parts = &*self.0;
        let token = secret_file::random(PREFIX).map_err(SessionError::NoRandomness)?;
        let id = getrandom::u64().map_err(io::Error::other);
        let id = id.map_err(SessionError::NoRandomness)?;
        let mut digests = parts.sessions.digests(token.expose_secret().as_bytes());
        let digest = digests.next().ok_or(SessionError::NoMasterKey)?;
        let opener = self.opener(actor).ok_or(SessionError::NoMasterKey)?;
        let now = parts.clock.unix_millis();
        let record = SessionRecord {
            id: format!("ses_{id:016x}"),
            digest,
            opener,
            label,
            user_agent,
            created_at: now,
            used_at: now,
            expires_at: now.saturating_add(millis(LIFETIME)),
        };
        self.make_room(&record.opener).await?;
        let change = Change {
            kind: KIND,
            id: record.id.clone(),
            seen: Seen::Absent,
            content: Some(written(&record)),
            keep_for: Some(LIFETIME),
        };
        if parts.replica.change(change).await?.is_none() {
            // 64 random bits that are taken are no randomness.
            let cause = io::Error::other("an id was given out twice");
            return Err(SessionError::NoRandomness(cause));
        }
        let csrf = csrf(token.expose_secret());
        Ok(Opened {
            record,
            token,
            csrf,
        })
    }

    /// The session of a token and who it stands for now; `None` if it is not good.
    pub fn find(&self, token: &str) -> Option<Signed> {
        if !token.starts_with(PREFIX) {
            return None;
        }
        let session = self.0.sessions.find(token)?;
        let signed = self.judge(session)?;
        self.note_use(&signed.session);
        Some(signed)
    }

    /// The sessions that are good now and that somebody may see: its own, an owner all.
    /// The newest first.
    pub fn list(&self, actor: &Actor) -> Vec<Signed> {
        let all = self.0.sessions.all();
        let seen = all.into_iter().rev().filter(|one| is_of(one, actor));
        seen.filter_map(|session| self.judge(session)).collect()
    }

    /// Closes a session.
    ///
    /// # Errors
    /// If there is none of this id that the actor may see, or the backend is away.
    pub async fn close(&self, actor: &Actor, id: &str) -> Result<(), SessionError> {
        let session = self.0.sessions.by_id(id);
        let session = session.filter(|session| is_of(session, actor));
        let session = session.ok_or(SessionError::Missing)?;
        self.remove(&session).await
    }

    /// Closes all sessions that somebody may see; how many there were.
    ///
    /// # Errors
    /// If the backend is away; some may then be closed.
    pub async fn close_all(&self, actor: &Actor) -> Result<usize, SessionError> {
        // Another process may have opened one a moment ago.
        self.0.replica.refresh().await?;
        let all = self.0.sessions.all();
        let mut closed = 0;
        for session in all.iter().filter(|one| is_of(one, actor)) {
            self.remove(session).await?;
            closed += 1;
        }
        Ok(closed)
    }

    fn opener(&self, actor: &Actor) -> Option<Opener> {
        if actor.id == Actor::OWNER {
            return self.admin_key_digests().next().map(Opener::AdminKey);
        }
        Some(Opener::Key(actor.id.clone()))
    }

    fn admin_key_digests(&self) -> impl Iterator<Item = SessionDigest> + use<> {
        let fingerprint = self.0.admin_key.fingerprint();
        let secret = [ADMIN_KEY_LABEL, fingerprint].concat();
        self.0.sessions.digests(&secret)
    }

    /// Whether a session is good now, and who it stands for: what opened it must still
    /// open something.
    fn judge(&self, session: Arc<Session>) -> Option<Signed> {
        let now = self.0.clock.unix_millis();
        if session.record.expires_at <= now {
            return None;
        }
        let mut actor = match &session.record.opener {
            Opener::AdminKey(digest) => {
                let mut digests = self.admin_key_digests();
                digests.any(|own| own == *digest).then(Actor::owner)?
            }
            Opener::Key(id) => {
                let (_revision, key) = self.0.keyring.by_id(id)?;
                let is_good = key.is_good(now) && !key.roles.is_empty();
                is_good.then(|| Actor::of_key(&key))?
            }
        };
        actor.origin.session = Some(session.record.id.clone());
        Some(Signed { session, actor })
    }

    /// Notes that a session is in use, and writes that down now and then. Nothing waits
    /// for it, and nothing is lost if it fails.
    fn note_use(&self, session: &Session) {
        let now = self.0.clock.unix_millis();
        let before = session.used_at.fetch_max(now, Ordering::Relaxed);
        let noted = session.record.used_at;
        // Whoever is the first after a minute writes; if that failed, the next minute does.
        let is_due = now / USE_NOTED_EVERY > before / USE_NOTED_EVERY
            && now.saturating_sub(noted) >= USE_NOTED_EVERY;
        if !is_due {
            return;
        }
        let mut record = session.record.clone();
        record.used_at = now;
        let change = Change {
            kind: KIND,
            id: record.id.clone(),
            // One that was closed meanwhile stays closed.
            seen: Seen::At(session.revision),
            content: Some(written(&record)),
            keep_for: Some(Duration::from_millis(record.expires_at.saturating_sub(now))),
        };
        let replica = self.0.replica.clone();
        tokio::spawn(async move {
            if let Err(error) = replica.change(change).await {
                tracing::debug!(%error, "the use of a session is not noted");
            }
        });
    }

    /// Closes the oldest sessions, so that there is room for one more.
    async fn make_room(&self, opener: &Opener) -> Result<(), SessionError> {
        let all = self.0.sessions.all();
        let of_one =
            |session: &&Arc<Session>| session.record.opener.actor_id() == opener.actor_id();
        let own = all.iter().filter(of_one).count();
        let too_many_own = (own + 1).saturating_sub(SESSIONS_OF_ONE_MAX);
        let too_many = (all.len() + 1).saturating_sub(SESSIONS_MAX);
        let going: Vec<_> = if too_many_own > 0 {
            all.iter().filter(of_one).take(too_many_own).collect()
        } else {
            all.iter().take(too_many).collect()
        };
        for session in going {
            self.remove(session).await?;
        }
        Ok(())
    }

    async fn remove(&self, session: &Session) -> Result<(), SessionError> {
        let change = Change {
            kind: KIND,
            id: session.record.id.clone(),
            seen: Seen::Anything,
            content: None,
            keep_for: None,
        };
        self.0.replica.change(change).await?;
        Ok(())
    }
}

/// Whether somebody may see and close a session.
fn is_of(session: &Session, actor: &Actor) -> bool {
    actor.may(Role::Owner) || session.record.opener.actor_id() == actor.id
}

fn written(record: &SessionRecord) -> Bytes {
    // Text and numbers have no form that cannot be written.
    Bytes::from(serde_json::to_vec(record).unwrap_or_default())
}

fn millis(time: Duration) -> UnixMillis {
    UnixMillis::try_from(time.as_millis()).unwrap_or(UnixMillis::MAX)
}
