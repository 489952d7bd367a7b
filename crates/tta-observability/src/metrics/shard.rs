//! What each thread counts, and where all of it comes together.

use std::cell::RefCell;
use std::sync::{Arc, Mutex, OnceLock, PoisonError, Weak};

use tta_model::Text;
use tta_primitives::observe::NodeInfo;

use super::cell::{Cell, CellSum};
use super::slots::{Kind, Limit, MAX_KINDS, Slots};
use super::tally::{Admitted, Fact, Tallies};

/// How many numbers of kinds a thread remembers; a power of two.
const REMEMBERED: usize = 256;
/// How many shards there are at least before one that is added looks for those of threads that have ended.
const MANY: usize = 64;

/// Everything that is counted.
#[derive(Debug)]
pub(super) struct Core {
    slots: Slots,
    admitted: Admitted<Fact>,
    shards: Mutex<Shards>,
    /// Gone with the last handle, although threads may still keep the core.
    alive: Weak<()>,
}

#[derive(Debug, Default)]
struct Shards {
    live: Vec<Arc<Shard>>,
    /// What threads counted that have ended.
    ended: Sums,
    /// How many shards were left when those of ended threads were taken in last.
    left: usize,
}

/// What one thread counts.
#[derive(Debug)]
struct Shard {
    cells: Box<[OnceLock<Arc<Cell>>]>,
    tallies: Mutex<Tallies>,
}

/// What all threads have counted.
#[derive(Clone, Debug, Default)]
pub(super) struct Sums {
    /// By the number of the kind.
    pub(super) cells: Vec<CellSum>,
    pub(super) tallies: Tallies,
}

/// A thread's shard of a core, and the cells that it remembers.
struct Local {
    core: Arc<Core>,
    shard: Arc<Shard>,
    remembered: [Remembered; REMEMBERED],
}

/// The cell of a node in the runs of a class.
#[derive(Clone, Default)]
struct Remembered {
    node: u64,
    class: u32,
    cell: Option<Arc<Cell>>,
}

thread_local! {
    static LOCALS: RefCell<Vec<Local>> = const { RefCell::new(Vec::new()) };
}

impl Core {
    pub(super) fn new(limits: Vec<Limit>, alive: Weak<()>) -> Self {
        Self { slots: Slots::new(limits), admitted: Admitted::default(), shards: Mutex::default(), alive }
    }

    pub(super) fn class(&self, workflow: &Text, agent_type: Option<&Text>) -> u32 {
        self.slots.class(workflow, agent_type)
    }

    /// The number of a node in the runs of a class.
    pub(super) fn number(&self, node: &NodeInfo, class: u32) -> u32 {
        self.slots.number(node, class)
    }

    pub(super) fn kinds(&self) -> Vec<Kind> {
        self.slots.kinds()
    }

    /// Counts something of the executions of a node.
    #[inline]
    pub(super) fn count(self: &Arc<Self>, node: &NodeInfo, class: u32, count: impl Fn(&Cell)) {
        self.with_local(|local| count(local.cell(node, class)));
    }

    /// Counts facts.
    pub(super) fn tally(self: &Arc<Self>, tally: impl Fn(&mut Tallies, &Admitted<Fact>)) {
        self.with_local(|local| {
            let mut tallies = local.shard.tallies.lock().unwrap_or_else(PoisonError::into_inner);
            tally(&mut tallies, &self.admitted);
        });
    }

    #[inline]
    fn with_local(self: &Arc<Self>, with: impl Fn(&mut Local)) {
        let is_done = LOCALS.try_with(|locals| {
            let Ok(mut locals) = locals.try_borrow_mut() else { return false };
            let local = locals.iter_mut().find(|local| Arc::ptr_eq(&local.core, self));
            local.map(&with).is_some()
        });
        if !matches!(is_done, Ok(true)) {
            self.with_new_local(with);
        }
    }

    /// Gives the thread a shard. One that ends has no place for it any more; what it counts last gets one of its own.
    #[cold]
    fn with_new_local(self: &Arc<Self>, with: impl Fn(&mut Local)) {
        let mut local = Local::new(self);
        with(&mut local);
        let _ = LOCALS.try_with(|locals| {
            let Ok(mut locals) = locals.try_borrow_mut() else { return };
            locals.retain(|local| local.core.alive.strong_count() > 0);
            locals.push(local);
        });
    }

    /// What all threads have counted so far.
    pub(super) fn sums(&self) -> Sums {
        let mut shards = self.shards.lock().unwrap_or_else(PoisonError::into_inner);
        shards.take_in_ended();
        let mut sums = shards.ended.clone();
        shards.live.iter().for_each(|shard| shard.add_to(&mut sums));
        sums
    }
}

impl Shards {
    /// Adds the shard of a thread. A program may start threads by the thousand and nobody may read: each shard is
    /// large, so those of threads that have ended do not wait for that.
    fn push(&mut self, shard: Arc<Shard>) {
        if self.live.len() >= MANY.max(2 * self.left) {
            self.take_in_ended();
        }
        self.live.push(shard);
    }

    fn take_in_ended(&mut self) {
        let mut still_live = Vec::with_capacity(self.live.len());
        for shard in self.live.drain(..) {
            match Arc::try_unwrap(shard) {
                Ok(shard) => shard.add_to(&mut self.ended),
                Err(shard) => still_live.push(shard),
            }
        }
        self.left = still_live.len();
        self.live = still_live;
    }
}

impl Local {
    fn new(core: &Arc<Core>) -> Self {
        let shard = Arc::new(Shard {
            cells: (0..MAX_KINDS).map(|_| OnceLock::new()).collect(),
            tallies: Mutex::default(),
        });
        let mut shards = core.shards.lock().unwrap_or_else(PoisonError::into_inner);
        shards.push(Arc::clone(&shard));
        drop(shards);
        let remembered = std::array::from_fn(|_| Remembered::default());
        Self { core: Arc::clone(core), shard, remembered }
    }

    #[inline]
    fn cell(&mut self, node: &NodeInfo, class: u32) -> &Cell {
        let at = (node.id.0 as usize ^ ((class as usize) << 4)) % REMEMBERED;
        let known = &self.remembered[at];
        if known.node != node.id.0 || known.class != class || known.cell.is_none() {
            self.look_up(at, node, class);
        }
        self.remembered[at].cell.as_ref().expect("it was looked up")
    }

    #[cold]
    fn look_up(&mut self, at: usize, node: &NodeInfo, class: u32) {
        let number = self.core.slots.number(node, class);
        let make = || Arc::new(Cell::new(&self.core.slots.limits(number)));
        let cell = Arc::clone(self.shard.cells[number as usize].get_or_init(make));
        self.remembered[at] = Remembered { node: node.id.0, class, cell: Some(cell) };
    }
}

impl Shard {
    fn add_to(&self, sums: &mut Sums) {
        for (number, cell) in self.cells.iter().enumerate() {
            let Some(cell) = cell.get() else { continue };
            if sums.cells.len() <= number {
                sums.cells.resize_with(number + 1, CellSum::default);
            }
            cell.add_to(&mut sums.cells[number]);
        }
        sums.tallies.merge(&self.tallies.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_that_have_ended_leave_no_shards_although_nobody_reads() {
        let alive = Arc::new(());
        let core = Arc::new(Core::new(Vec::new(), Arc::downgrade(&alive)));
        let node = NodeInfo { level: tta_primitives::observe::NodeLevel::Node, ..NodeInfo::default() };
        let class = core.class(&"report".into(), None);
        for _ in 0..10 * MANY {
            std::thread::scope(|scope| {
                scope.spawn(|| core.count(&node, class, Cell::start)).join().expect("it counts");
            });
        }
        let live = core.shards.lock().expect("nobody panicked").live.len();
        assert!(live <= MANY, "{live}");
        let started: u64 = core.sums().cells.iter().map(|sum| sum.started).sum();
        assert_eq!(started, 10 * MANY as u64);
    }
}
