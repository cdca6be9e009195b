//! Records on their way to somebody else, as Kong queues them (kong.md §5.21): a worker adds one and goes on, threads of
//! the queue's own send them in batches and try again. Entries and bytes are bounded; what finds no room pushes the oldest
//! out. A queue goes on over changes of the configuration that leave its plugin as it was.

use super::losses::Losses;
use std::collections::{HashMap, VecDeque};
use std::fmt::Debug;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, LazyLock, Mutex, MutexGuard, PoisonError, Weak};
use std::thread;
use std::time::{Duration, Instant};

/// Of all queues together, also of what is being sent.
const MOST_BYTES: usize = 128 * 1024 * 1024;
/// Of one queue that sets no bound itself.
const MOST_BYTES_OF_ONE: usize = 32 * 1024 * 1024;
/// What an entry takes besides its bytes.
const ENTRY: usize = 64;
/// Of all queues together.
const MOST_THREADS: usize = 256;
/// Of a queue without a limit of its own.
const MOST_AT_ONCE: usize = 8;
const STACK: usize = 256 * 1024;
/// The longest between two tries when the process ends.
const LAST_DELAY: Duration = Duration::from_millis(100);
/// So long a thread waits for the next record.
const IDLE: Duration = Duration::from_secs(10);
/// Records that go one by one are waited for together: waking a thread for each would cost more than sending it.
const TOGETHER: usize = 64;
const TOGETHER_WITHIN: Duration = Duration::from_millis(5);

static BYTES: AtomicUsize = AtomicUsize::new(0);
static THREADS: AtomicUsize = AtomicUsize::new(0);
static ALL: LazyLock<Mutex<Vec<Weak<Shared>>>> = LazyLock::new(Mutex::default);

#[derive(Clone, Debug)]
pub struct Settings {
    pub max_batch_size: usize,
    pub max_coalescing_delay: Duration,
    pub max_entries: usize,
    pub max_bytes: Option<usize>,
    pub initial_retry_delay: Duration,
    pub max_retry_delay: Duration,
    /// None: a batch is tried once.
    pub max_retry_time: Option<Duration>,
    pub is_unlimited: bool,
}

impl Default for Settings {
    /// Kong's.
    fn default() -> Self {
        Self {
            max_batch_size: 1,
            max_coalescing_delay: Duration::from_secs(1),
            max_entries: 10_000,
            max_bytes: None,
            initial_retry_delay: Duration::from_millis(10),
            max_retry_delay: Duration::from_secs(60),
            max_retry_time: Some(Duration::from_secs(60)),
            is_unlimited: false,
        }
    }
}

/// Where a queue's records go to.
pub trait Sink: Debug + Send + Sync {
    /// All of them, or why not; takes no longer than until `deadline`, if there is one.
    fn send(&self, batch: &[Vec<u8>], deadline: Option<Instant>) -> Result<(), String>;
}

/// Whoever has it may add records. When the last one goes, the queue sends what is in it, and ends.
#[derive(Debug)]
pub struct Queue(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    settings: Settings,
    sink: Box<dyn Sink>,
    losses: Losses,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct State {
    entries: VecDeque<Vec<u8>>,
    bytes: usize,
    threads: usize,
    /// Threads that wait for a record.
    idle: usize,
    /// Threads that wait for more of them, and go on by themselves when their time is over.
    gathering: usize,
    in_flight: usize,
    is_closed: bool,
    /// When everything must be sent, once the process ends.
    end: Option<Instant>,
}

fn size_of(entry: &[u8]) -> usize {
    entry.len() + ENTRY
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Queue {
    /// The same for all of one plugin whose `key`, their configuration, is the same. `place` is told of losses.
    pub fn of(
        plugin: &'static str,
        key: &str,
        place: &str,
        settings: &Settings,
        sink: impl FnOnce() -> Box<dyn Sink>,
    ) -> Arc<Self> {
        static QUEUES: LazyLock<Mutex<HashMap<String, Weak<Queue>>>> = LazyLock::new(Mutex::default);
        let mut queues = locked(&QUEUES);
        let key = format!("{plugin}\n{key}");
        if let Some(queue) = queues.get(&key).and_then(Weak::upgrade) {
            return queue;
        }
        queues.retain(|_, queue| queue.strong_count() > 0);
        let queue = Arc::new(Self::new(plugin, place, settings.clone(), sink()));
        queues.insert(key, Arc::downgrade(&queue));
        queue
    }

    fn new(plugin: &'static str, place: &str, settings: Settings, sink: Box<dyn Sink>) -> Self {
        let shared = Shared {
            settings,
            sink,
            losses: Losses::new(plugin, place),
            state: Mutex::default(),
            changed: Condvar::new(),
        };
        Self(Arc::new(shared))
    }

    /// Never waits for whoever takes the records.
    pub fn put(&self, entry: Vec<u8>) {
        let shared = &self.0;
        let (size, most) = (size_of(&entry), shared.settings.max_bytes.unwrap_or(MOST_BYTES_OF_ONE));
        if size - ENTRY > most {
            return shared.losses.lost(1, &"the record is longer than all that the queue may hold");
        }
        let mut state = locked(&shared.state);
        let mut pushed_out = 0;
        while !state.entries.is_empty()
            && (state.entries.len() >= shared.settings.max_entries
                || state.bytes + size - ENTRY > most
                || BYTES.load(Ordering::Relaxed) + size > MOST_BYTES)
        {
            state.drop_oldest();
            pushed_out += 1;
        }
        if BYTES.load(Ordering::Relaxed) + size > MOST_BYTES {
            pushed_out += 1;
        } else {
            state.add(entry);
        }
        self.have_it_sent(&mut state);
        drop(state);
        if pushed_out > 0 {
            shared.losses.lost(pushed_out, &"the queue is full");
        }
    }

    fn have_it_sent(&self, state: &mut State) {
        let shared = &self.0;
        let is_awaited = if state.gathering > 0 { state.entries.len() >= shared.enough() } else { state.idle > 0 };
        if is_awaited {
            shared.changed.notify_all();
        }
        if state.gathering > 0 || state.idle > 0 {
            return;
        }
        let most = if shared.settings.is_unlimited { MOST_AT_ONCE } else { 1 };
        if state.threads >= most {
            return;
        }
        if THREADS.fetch_add(1, Ordering::Relaxed) >= MOST_THREADS {
            THREADS.fetch_sub(1, Ordering::Relaxed);
            return;
        }
        if state.threads == 0 {
            remember(shared);
        }
        let own = Arc::clone(shared);
        let begun = thread::Builder::new().name("crossfade-log".to_owned()).stack_size(STACK).spawn(move || own.work());
        match begun {
            Ok(_) => state.threads += 1,
            // The next record tries again.
            Err(_) => _ = THREADS.fetch_sub(1, Ordering::Relaxed),
        }
    }
}

impl Drop for Queue {
    fn drop(&mut self) {
        locked(&self.0.state).is_closed = true;
        self.0.changed.notify_all();
    }
}

impl Drop for Shared {
    /// Only what no thread could be had for is left by then.
    fn drop(&mut self) {
        let left = std::mem::take(&mut locked(&self.state).entries);
        left.iter().for_each(|entry| forget(entry));
        if !left.is_empty() {
            self.losses.lost(u64::try_from(left.len()).unwrap_or(u64::MAX), &"there are too many queues");
        }
    }
}

/// For the end of the process.
fn remember(shared: &Arc<Shared>) {
    let mut all = locked(&ALL);
    all.retain(|one| one.strong_count() > 0);
    if !all.iter().any(|one| std::ptr::eq(one.as_ptr(), Arc::as_ptr(shared))) {
        all.push(Arc::downgrade(shared));
    }
}

impl State {
    fn add(&mut self, entry: Vec<u8>) {
        self.bytes += entry.len();
        BYTES.fetch_add(size_of(&entry), Ordering::Relaxed);
        self.entries.push_back(entry);
    }

    /// Still counted among the bytes of all.
    fn take(&mut self) -> Option<Vec<u8>> {
        let entry = self.entries.pop_front()?;
        self.bytes -= entry.len();
        Some(entry)
    }

    fn drop_oldest(&mut self) {
        if let Some(entry) = self.take() {
            forget(&entry);
        }
    }
}

fn forget(entry: &[u8]) {
    BYTES.fetch_sub(size_of(entry), Ordering::Relaxed);
}

impl Shared {
    fn work(&self) {
        while let Some(batch) = self.next_batch() {
            self.deliver(&batch);
            batch.iter().for_each(|entry| forget(entry));
            locked(&self.state).in_flight -= batch.len();
            self.changed.notify_all();
        }
        THREADS.fetch_sub(1, Ordering::Relaxed);
    }

    /// None ends the thread.
    fn next_batch(&self) -> Option<Vec<Vec<u8>>> {
        let mut state = locked(&self.state);
        let is_first = state.entries.is_empty();
        state.idle += 1;
        state = self.wait_for(state, 1, IDLE);
        state.idle -= 1;
        if state.entries.is_empty() {
            state.threads -= 1;
            return None;
        }
        let goes_together = self.settings.max_batch_size > 1;
        if is_first || goes_together {
            let delay = if goes_together { self.settings.max_coalescing_delay } else { TOGETHER_WITHIN };
            state.gathering += 1;
            state = self.wait_for(state, self.enough(), delay);
            state.gathering -= 1;
        }
        let batch: Vec<_> = (0..self.settings.max_batch_size).map_while(|_| state.take()).collect();
        state.in_flight += batch.len();
        if !state.entries.is_empty() && state.idle > 0 {
            self.changed.notify_all();
        }
        // Empty where another thread of the queue has taken everything meanwhile.
        Some(batch)
    }

    /// So many are not waited for any longer.
    fn enough(&self) -> usize {
        if self.settings.max_batch_size > 1 { self.settings.max_batch_size } else { TOGETHER }
    }

    fn wait_for<'a>(&self, mut state: MutexGuard<'a, State>, count: usize, longest: Duration) -> MutexGuard<'a, State> {
        let until = Instant::now() + longest;
        while state.entries.len() < count && !state.is_closed && state.end.is_none() && Instant::now() < until {
            state = self.wait(state, until);
        }
        state
    }

    fn wait<'a>(&self, state: MutexGuard<'a, State>, until: Instant) -> MutexGuard<'a, State> {
        let left = until.saturating_duration_since(Instant::now());
        self.changed.wait_timeout(state, left).unwrap_or_else(PoisonError::into_inner).0
    }

    fn deliver(&self, batch: &[Vec<u8>]) {
        if batch.is_empty() {
            return;
        }
        let (began, mut delay) = (Instant::now(), self.settings.initial_retry_delay);
        loop {
            let Err(why) = self.sink.send(batch, self.end()) else { return self.losses.kept() };
            let is_late = self.settings.max_retry_time.is_none_or(|longest| began.elapsed() > longest)
                || self.end().is_some_and(|end| Instant::now() >= end);
            if is_late {
                return self.losses.lost(u64::try_from(batch.len()).unwrap_or(u64::MAX), &why);
            }
            self.pause(if self.end().is_some() { delay.min(LAST_DELAY) } else { delay });
            delay = (delay * 2).min(self.settings.max_retry_delay);
        }
    }

    /// Shorter when the process ends.
    fn pause(&self, delay: Duration) {
        let until = Instant::now() + delay;
        let mut state = locked(&self.state);
        let ends_already = state.end.is_some();
        while Instant::now() < until && state.end.is_some() == ends_already {
            state = self.wait(state, until);
        }
    }

    fn end(&self) -> Option<Instant> {
        locked(&self.state).end
    }
}

/// At the end of the process: what is queued is sent, for so long; gives how many records are left.
#[cfg(not(test))]
pub fn flush(longest: Duration) -> usize {
    flush_all(&locked(&ALL).iter().filter_map(Weak::upgrade).collect::<Vec<_>>(), longest)
}

fn flush_all(queues: &[Arc<Shared>], longest: Duration) -> usize {
    let until = Instant::now() + longest;
    for queue in queues {
        locked(&queue.state).end = Some(until);
        queue.changed.notify_all();
    }
    let mut left = 0;
    for queue in queues {
        let mut state = locked(&queue.state);
        while (!state.entries.is_empty() || state.in_flight > 0) && Instant::now() < until {
            state = queue.wait(state, until);
        }
        left += state.entries.len() + state.in_flight;
    }
    left
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::mpsc::{Receiver, Sender, channel};

    const PATIENCE: Duration = Duration::from_secs(10);

    /// Tells each batch, and takes as many as it has answers; then everything.
    #[derive(Debug)]
    struct Told {
        batches: Mutex<Sender<Vec<String>>>,
        answers: Mutex<VecDeque<Result<(), String>>>,
        gate: Arc<Mutex<()>>,
    }

    impl Sink for Told {
        fn send(&self, batch: &[Vec<u8>], _: Option<Instant>) -> Result<(), String> {
            drop(locked(&self.gate));
            let texts = batch.iter().map(|entry| String::from_utf8(entry.clone()).unwrap()).collect();
            locked(&self.batches).send(texts).unwrap();
            locked(&self.answers).pop_front().unwrap_or(Ok(()))
        }
    }

    type Batches = Receiver<Vec<String>>;

    fn queue(settings: Settings, answers: &[Result<(), &str>]) -> (Queue, Batches, Arc<Mutex<()>>) {
        let (tell, told) = channel();
        let answers = answers.iter().map(|answer| answer.map_err(str::to_owned)).collect();
        let gate = Arc::new(Mutex::new(()));
        let sink = Told { batches: Mutex::new(tell), answers: Mutex::new(answers), gate: Arc::clone(&gate) };
        (Queue::new("queueing", "a", settings, Box::new(sink)), told, gate)
    }

    fn put(queue: &Queue, texts: &[&str]) {
        texts.iter().for_each(|text| queue.put(text.as_bytes().to_vec()));
    }

    fn next(told: &Batches) -> Vec<String> {
        told.recv_timeout(PATIENCE).unwrap()
    }

    #[test]
    fn each_record_goes_by_itself_in_order() {
        let (queue, told, _) = queue(Settings::default(), &[]);
        put(&queue, &["a", "b", "c"]);
        assert_eq!([next(&told), next(&told), next(&told)], [["a"], ["b"], ["c"]]);
        assert!(!queue.0.losses.lost_any());
    }

    #[test]
    fn a_thread_that_waits_takes_what_comes_next() {
        let (queue, told, _) = queue(Settings::default(), &[]);
        for text in ["a", "b", "c"] {
            put(&queue, &[text]);
            assert_eq!(next(&told), [text]);
            let began = Instant::now();
            while locked(&queue.0.state).idle == 0 {
                assert!(began.elapsed() < PATIENCE);
                thread::yield_now();
            }
        }
        let many: Vec<_> = (0..3 * TOGETHER).map(|number| number.to_string()).collect();
        put(&queue, &many.iter().map(|text| &**text).collect::<Vec<_>>());
        assert!(many.iter().all(|text| next(&told) == [&**text]));
    }

    #[test]
    fn batches_wait_for_more_until_they_are_full() {
        let long = Duration::from_secs(3600);
        let settings = Settings { max_batch_size: 2, max_coalescing_delay: long, ..Settings::default() };
        let (queue, told, _) = queue(settings, &[]);
        put(&queue, &["a", "b", "c"]);
        assert_eq!(next(&told), ["a", "b"]);
        assert!(told.try_recv().is_err());
        // What is left goes when nobody can add to it any more.
        drop(queue);
        assert_eq!(next(&told), ["c"]);
    }

    #[test]
    fn a_batch_is_tried_again_until_its_time_is_over() {
        let (queue, told, _) = queue(Settings::default(), &[Err("no"), Err("no"), Ok(())]);
        put(&queue, &["a"]);
        assert_eq!([next(&told), next(&told), next(&told)], [["a"], ["a"], ["a"]]);
        let once = Settings { max_retry_time: None, ..Settings::default() };
        let (queue, told, _) = super::tests::queue(once, &[Err("no")]);
        put(&queue, &["a", "b"]);
        assert_eq!([next(&told), next(&told)], [["a"], ["b"]]);
        assert!(queue.0.losses.lost_any());
    }

    #[test]
    fn the_oldest_make_room() {
        for (settings, expected) in [
            (Settings { max_entries: 2, ..Settings::default() }, ["cc", "dd"]),
            (Settings { max_bytes: Some(5), ..Settings::default() }, ["cc", "dd"]),
        ] {
            let (queue, told, gate) = queue(settings, &[]);
            let held = locked(&gate);
            put(&queue, &["first"]);
            let began = Instant::now();
            while !locked(&queue.0.state).entries.is_empty() {
                assert!(began.elapsed() < PATIENCE);
                thread::sleep(Duration::from_millis(1));
            }
            put(&queue, &["aa", "bb", "cc", "dd"]);
            assert!(queue.0.losses.lost_any());
            drop(held);
            assert_eq!([next(&told), next(&told), next(&told)].concat(), ["first", expected[0], expected[1]]);
        }
        let (queue, _, _) = queue(Settings { max_bytes: Some(2), ..Settings::default() }, &[]);
        put(&queue, &["too long"]);
        assert!(queue.0.losses.lost_any());
    }

    #[test]
    fn at_the_end_nothing_waits_and_what_hangs_is_left() {
        let long = Duration::from_secs(3600);
        let waiting = Settings { max_batch_size: 9, max_coalescing_delay: long, ..Settings::default() };
        let (one, told, _) = queue(waiting, &[]);
        put(&one, &["a", "b"]);
        assert_eq!(flush_all(&[Arc::clone(&one.0)], PATIENCE), 0);
        assert_eq!(next(&told), ["a", "b"]);
        let retrying = Settings { initial_retry_delay: long, ..Settings::default() };
        let (other, told, _) = queue(retrying, &[Err("no")]);
        put(&other, &["a"]);
        assert_eq!((next(&told), flush_all(&[Arc::clone(&other.0)], PATIENCE)), (vec!["a".to_owned()], 0));
        let (hanging, _told, gate) = queue(Settings::default(), &[]);
        let held = locked(&gate);
        put(&hanging, &["a", "b"]);
        assert_eq!(flush_all(&[Arc::clone(&hanging.0)], Duration::from_millis(50)), 2);
        drop(held);
    }

    #[test]
    fn a_configuration_that_stays_keeps_its_queue() {
        let made = |key: &str| {
            Queue::of("kept", key, "a", &Settings::default(), || {
                let (tell, _) = channel();
                Box::new(Told { batches: Mutex::new(tell), answers: Mutex::default(), gate: Arc::default() })
            })
        };
        let one = made("a");
        assert!(Arc::ptr_eq(&one, &made("a")) && !Arc::ptr_eq(&one, &made("b")));
    }
}
