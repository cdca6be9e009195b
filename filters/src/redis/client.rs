//! Commands from many requests over one connection.

use super::Store;
use super::link::Link;
use super::protocol::{Commands, Reply};
use super::synced::{Found, Key, Synced};
use crate::journal::{self, Level};
use crate::waiting::{Completion, NotDone, Wait};
use std::collections::{HashMap, VecDeque};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// What comes back of `Client::ask`: a reply to each command, or why there is none.
pub type Answer = Result<Vec<Reply>, String>;

/// Of one store, whatever waits for its thread.
const QUEUED: usize = 65_536;
const QUEUED_BYTES: usize = 16 * 1024 * 1024;
/// What goes out in one piece.
const BATCH: usize = 256;
const BATCH_BYTES: usize = 1024 * 1024;
/// Without anything to do for so long the thread ends, and the connection with it.
const IDLE: Duration = Duration::from_mins(1);
/// A store that fails now and then is told of no more often.
const TOLD_EVERY: Duration = Duration::from_secs(10);

const ADD: &[u8] = b"local n=redis.call('INCRBY',KEYS[1],ARGV[1]) \
    if n==tonumber(ARGV[1]) then redis.call('EXPIREAT',KEYS[1],ARGV[2]) end return n";

/// Shared by all configurations that name the same store. When the last of them goes, what is counted is still told.
pub struct Client {
    shared: Arc<Shared>,
}

struct Shared {
    store: Store,
    queue: Mutex<Queue>,
    is_filled: Condvar,
    synced: Mutex<Synced>,
}

#[derive(Default)]
struct Queue {
    pending: VecDeque<Pending>,
    bytes: usize,
    has_thread: bool,
    is_closed: bool,
    /// When Redis is to be told what was counted here, and how often from then on.
    sync: Option<(Instant, Duration)>,
}

struct Pending {
    commands: Commands,
    /// None: nobody waits for the replies.
    completion: Option<Completion>,
}

enum Work {
    Exchange(Vec<Pending>),
    Sync(Duration),
}

/// The client of a store, as long as anybody has it.
pub fn client(store: Store) -> Arc<Client> {
    static CLIENTS: LazyLock<Mutex<HashMap<Store, Weak<Client>>>> = LazyLock::new(Mutex::default);
    let mut clients = lock(&CLIENTS);
    if let Some(known) = clients.get(&store).and_then(Weak::upgrade) {
        return known;
    }
    clients.retain(|_, client| client.strong_count() > 0);
    let made = Arc::new(Client::new(store.clone()));
    clients.insert(store, Arc::downgrade(&made));
    made
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl std::fmt::Debug for Client {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "Client({:?})", self.shared.store)
    }
}

impl Client {
    fn new(store: Store) -> Self {
        let (queue, synced) = (Mutex::default(), Mutex::default());
        Self { shared: Arc::new(Shared { store, queue, is_filled: Condvar::new(), synced }) }
    }

    /// The outcome is an `Answer`.
    pub fn ask(&self, commands: Commands) -> Wait {
        let shared = Arc::clone(&self.shared);
        Wait::new(shared.store.timeout, move |completion| {
            if let Err(Some(completion)) = shared.submit(commands, Some(completion)) {
                completion.fail(NotDone::TooMany);
            }
        })
    }

    /// Nobody waits for it. Where so much waits that there is no room it is dropped: the store is in trouble then, which
    /// the log says.
    pub fn tell(&self, commands: Commands) {
        let _ = self.shared.submit(commands, None);
    }

    pub fn find(&self, keys: &[Key], now_s: i64) -> Found {
        lock(&self.shared.synced).find(keys, now_s)
    }

    pub fn learn(&self, keys: &[Key], counts: &[i64]) {
        lock(&self.shared.synced).learn(keys, counts);
    }

    /// Counts in keys that are known; Redis is told within `rate`.
    pub fn add(&self, keys: &[Key], rate: Duration) {
        lock(&self.shared.synced).add(keys);
        self.shared.sync_within(rate);
    }
}

impl Drop for Client {
    fn drop(&mut self) {
        lock(&self.shared.queue).is_closed = true;
        self.shared.is_filled.notify_one();
    }
}

impl Shared {
    fn submit(self: &Arc<Self>, commands: Commands, completion: Option<Completion>) -> Result<(), Option<Completion>> {
        let mut queue = lock(&self.queue);
        if queue.pending.len() >= QUEUED || queue.bytes + commands.bytes.len() > QUEUED_BYTES {
            return Err(completion);
        }
        queue.bytes += commands.bytes.len();
        queue.pending.push_back(Pending { commands, completion });
        self.wake(queue);
        Ok(())
    }

    fn sync_within(self: &Arc<Self>, rate: Duration) {
        let mut queue = lock(&self.queue);
        let at = Instant::now() + rate;
        if queue.sync.is_none_or(|(due, _)| at < due) {
            queue.sync = Some((at, rate));
            self.wake(queue);
        }
    }

    fn wake(self: &Arc<Self>, mut queue: MutexGuard<'_, Queue>) {
        if !queue.has_thread {
            let shared = Arc::clone(self);
            let spawned = thread::Builder::new().name("policy-redis".into()).spawn(move || shared.serve());
            queue.has_thread = spawned.is_ok();
        }
        drop(queue);
        self.is_filled.notify_one();
    }

    fn serve(&self) {
        let mut worker = Worker { shared: self, link: Link::new(), told: None, knows_trouble: false };
        while let Some(work) = self.next() {
            let done = catch_unwind(AssertUnwindSafe(|| match work {
                Work::Exchange(batch) => worker.exchange(batch),
                Work::Sync(rate) => worker.sync(rate),
            }));
            if done.is_err() {
                worker.link = Link::new();
            }
        }
    }

    /// None: the thread is to end.
    fn next(&self) -> Option<Work> {
        let mut queue = lock(&self.queue);
        loop {
            let now = Instant::now();
            let due = queue.sync.filter(|(at, _)| *at <= now || queue.is_closed);
            if let Some((_, rate)) = due {
                queue.sync = None;
                return Some(Work::Sync(rate));
            }
            if !queue.pending.is_empty() {
                return Some(Work::Exchange(queue.take_batch()));
            }
            if queue.is_closed {
                return None;
            }
            let pause = queue.sync.map_or(IDLE, |(at, _)| at.duration_since(now));
            let (filled, waited) = self.is_filled.wait_timeout(queue, pause).unwrap_or_else(PoisonError::into_inner);
            queue = filled;
            if waited.timed_out() && queue.pending.is_empty() && queue.sync.is_none() {
                queue.has_thread = false;
                return None;
            }
        }
    }
}

impl Queue {
    fn take_batch(&mut self) -> Vec<Pending> {
        let (mut batch, mut size) = (Vec::new(), 0);
        while batch.len() < BATCH && size < BATCH_BYTES {
            let Some(next) = self.pending.pop_front() else { break };
            size += next.commands.bytes.len();
            batch.push(next);
        }
        self.bytes -= size;
        batch
    }
}

struct Worker<'a> {
    shared: &'a Shared,
    link: Link,
    /// When the log was last told of trouble.
    told: Option<Instant>,
    /// The log does not know yet that it is over.
    knows_trouble: bool,
}

impl Worker<'_> {
    fn exchange(&mut self, mut batch: Vec<Pending>) {
        batch.retain(|one| one.completion.as_ref().is_none_or(Completion::is_awaited));
        let commands = batch.iter().map(|one| one.commands.bytes.as_slice()).collect::<Vec<_>>().concat();
        let count = batch.iter().map(|one| one.commands.count).sum();
        match self.ask(&commands, count) {
            Ok(replies) => {
                let mut replies = replies.into_iter();
                for one in batch {
                    let own: Vec<Reply> = replies.by_ref().take(one.commands.count).collect();
                    one.complete(Ok(own));
                }
            }
            Err(trouble) => {
                // Those behind have waited for the same connection: to try again for each would take its time each time.
                let rest = std::mem::take(&mut lock(&self.shared.queue).pending);
                lock(&self.shared.queue).bytes = 0;
                batch.into_iter().chain(rest).for_each(|one| one.complete(Err(trouble.clone())));
            }
        }
    }

    fn ask(&mut self, commands: &[u8], count: usize) -> Answer {
        if count == 0 {
            return Ok(Vec::new());
        }
        let answer = self.link.exchange(&self.shared.store, commands, count);
        match &answer {
            Err(trouble) => self.tell(trouble),
            Ok(replies) => match replies.iter().find_map(Reply::error) {
                Some(trouble) => self.tell(trouble),
                None => self.recover(),
            },
        }
        answer
    }

    fn sync(&mut self, rate: Duration) {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        let told = lock(&self.shared.synced).take(i64::try_from(now).unwrap_or(i64::MAX));
        let mut has_failed = false;
        for part in told.chunks(BATCH) {
            let commands = part.iter().fold(Commands::default(), |commands, (key, added)| {
                let (added, expires_s) = (added.to_string(), key.expires_s.to_string());
                commands.with(&[b"EVAL", ADD, b"1", &key.name, added.as_bytes(), expires_s.as_bytes()])
            });
            let replies = if has_failed { Err(String::new()) } else { self.ask(&commands.bytes, commands.count) };
            has_failed |= replies.is_err();
            let totals = replies.unwrap_or_default();
            let mut synced = lock(&self.shared.synced);
            for (place, (key, _)) in part.iter().enumerate() {
                synced.told(key, totals.get(place).and_then(|reply| reply.count().ok()));
            }
        }
        let mut queue = lock(&self.shared.queue);
        if has_failed && !queue.is_closed && queue.sync.is_none() {
            queue.sync = Some((Instant::now() + rate.max(Duration::from_millis(100)), rate));
        }
    }

    fn tell(&mut self, trouble: &str) {
        if self.told.is_none_or(|told| told.elapsed() >= TOLD_EVERY) {
            self.told = Some(Instant::now());
            self.knows_trouble = true;
            let endpoint = &self.shared.store.endpoint;
            let text = format!(
                "Redis {endpoint}: {trouble}; until it answers, fault_tolerant of each plugin that counts there decides \
                 whether requests pass uncounted or are answered 500"
            );
            journal::tell(Level::Error, &text);
        }
    }

    fn recover(&mut self) {
        if std::mem::take(&mut self.knows_trouble) {
            journal::tell(Level::Warning, &format!("Redis {}: answers again", self.shared.store.endpoint));
        }
    }
}

impl Pending {
    fn complete(self, answer: Answer) {
        if let Some(completion) = self.completion {
            completion.done(answer);
        }
    }
}
