// SPDX-License-Identifier: GPL-2.0

//! The promises of asynchronous domains, step by step in dmesg, for the selftests.
//!
//! The test that `scenario=` names runs when the module is loaded; some end when it is unloaded.

use async_probe::{
    domain::{
        Domain,
        Node,
        Refused, //
    },
    module_param::Choice, //
};
use kernel::{
    prelude::*,
    sync::{
        atomic::{
            Atomic,
            AtomicFlag,
            Relaxed, //
        },
        Arc,
        Completion, //
    },
    time::{
        delay::fsleep,
        Delta, //
    }, //
};

/// How many functions the workqueue runs at once on a node (`WQ_DFL_ACTIVE`).
const WORKERS: u32 = 1024;

/// More functions than can be pending (`MAX_WORK`).
const TOO_MANY: usize = 40000;

async_probe::module_params! {
    module: "domain_test",
    scenario: choice {
        default: Scenario::Registered,
        values: Scenario,
        description: "The test to run",
    },
    nodes: range {
        default: 1,
        values: 1..=16,
        description: "How many NUMA nodes have workers to occupy (default 1)",
    },
    idle: range {
        default: 0,
        values: 0..=1024,
        description: "How many workers of each node not to occupy (default 0)",
    },
}

/// The test to run.
#[derive(Clone, Copy, PartialEq)]
enum Scenario {
    /// The waits of a registered domain.
    Registered,
    /// The waits of an exclusive domain.
    Exclusive,
    /// A function that schedules another.
    Nested,
    /// More functions than can be pending.
    Refused,
    /// All workers of all nodes, but some, are busy until the module is unloaded.
    Occupied,
    /// The fields of a module are dropped.
    Fields,
}

impl Choice for Scenario {
    const CHOICES: &'static [Self] = &[
        Self::Registered,
        Self::Exclusive,
        Self::Nested,
        Self::Refused,
        Self::Occupied,
        Self::Fields,
    ];
    const NAMES: &'static str = "registered|exclusive|nested|refused|occupied|fields";
}

/// Has the function `number` scheduled, which takes `ms`.
fn schedule(domain: &Domain, number: u32, ms: i64) -> Result<async_probe::domain::Cookie> {
    let cookie = domain.schedule(
        move || {
            fsleep(Delta::from_millis(ms));
            pr_info!("ended {}\n", number);
        },
        GFP_KERNEL,
    )?;

    pr_info!("scheduled {}\n", number);
    Ok(cookie)
}

/// Waits for functions of `domain` in all ways.
fn wait(domain: Pin<KBox<Domain>>) -> Result {
    schedule(&domain, 0, 100)?;
    let second = schedule(&domain, 1, 200)?;
    schedule(&domain, 2, 300)?;
    schedule(&domain, 3, 400)?;

    domain.synchronize_cookie(second);
    pr_info!("waited before 1\n");
    domain.synchronize_through(second);
    pr_info!("waited through 1\n");

    // An earlier one that takes longer.
    schedule(&domain, 4, 500)?;
    let quick = schedule(&domain, 5, 10)?;
    domain.synchronize_through(quick);
    pr_info!("waited through 5\n");
    domain.synchronize_full();
    pr_info!("waited all\n");

    schedule(&domain, 6, 50)?;
    drop(domain);
    pr_info!("waited dropped\n");
    Ok(())
}

/// Has a function schedule another one.
fn nest() -> Result {
    let domain = Arc::pin_init(Domain::exclusive(), GFP_KERNEL)?;
    let inner = domain.clone();

    domain.schedule(
        move || {
            if schedule(&inner, 1, 100).is_err() {
                pr_err!("the inner function was refused\n");
            }
            pr_info!("ended 0\n");
        },
        GFP_KERNEL,
    )?;
    pr_info!("scheduled 0\n");
    domain.synchronize_full();
    pr_info!("waited all\n");
    Ok(())
}

/// The state that the functions of a crowd share.
#[pin_data]
struct Crowd {
    #[pin]
    may_end: Completion,
    /// How many have begun.
    begun: Atomic<usize>,
    /// Whether one has begun in the task that schedules.
    begun_here: AtomicFlag,
    /// The task that schedules.
    scheduler: i32,
}

impl Crowd {
    /// Returns a crowd that the current task schedules.
    fn new() -> Result<Arc<Self>> {
        Arc::pin_init(
            pin_init!(Self {
                may_end <- Completion::new(),
                begun: Atomic::new(0),
                begun_here: AtomicFlag::new(false),
                scheduler: kernel::current!().pid(),
            }),
            GFP_KERNEL,
        )
    }

    /// Begins, and waits until it may end.
    fn join(&self) {
        if kernel::current!().pid() == self.scheduler {
            self.begun_here.store(true, Relaxed);
        }
        self.begun.fetch_add(1, Relaxed);
        self.may_end.wait_for_completion();
    }
}

/// Schedules until it is refused.
fn refuse() -> Result {
    let domain = KBox::pin_init(Domain::exclusive(), GFP_KERNEL)?;
    let crowd = Crowd::new()?;
    let mut scheduled = 0;
    let mut refused = None;

    while scheduled < TOO_MANY {
        let member = crowd.clone();

        match domain.schedule(move || member.join(), GFP_KERNEL) {
            Ok(_) => scheduled += 1,
            Err(function) => {
                refused = Some(function);
                break;
            }
        }
    }

    let here = crowd.begun_here.load(Relaxed);
    crowd.may_end.complete_all();
    pr_info!(
        "refused {} after {} called {}\n",
        u8::from(refused.is_some()),
        scheduled,
        u8::from(here),
    );

    if let Some(function) = refused {
        Refused::run_here(function);
        scheduled += 1;
    }
    drop(domain);
    pr_info!(
        "begun {} of {} called {}\n",
        crowd.begun.load(Relaxed),
        scheduled,
        u8::from(crowd.begun_here.load(Relaxed)),
    );
    Ok(())
}

/// The workers that are busy until this is dropped.
struct Occupation {
    crowd: Arc<Crowd>,
    domain: Pin<KBox<Domain>>,
}

impl Occupation {
    /// Returns when no more workers begin.
    fn new(nodes: u16, idle: u32) -> Result<Self> {
        let domain = KBox::pin_init(Domain::exclusive(), GFP_KERNEL)?;
        let this = Self {
            crowd: Crowd::new()?,
            domain,
        };

        // Each node runs as many, whatever the others do (`async_init()`).
        for node in (0..nodes).map(Node::new) {
            for _ in idle..WORKERS {
                let member = this.crowd.clone();

                this.domain
                    .schedule_on(node, move || member.join(), GFP_KERNEL)?;
            }
        }

        let mut before = 0;
        loop {
            fsleep(Delta::from_millis(100));
            let now = this.crowd.begun.load(Relaxed);

            if now == before {
                break;
            }
            before = now;
        }
        pr_info!("occupied {} on {} nodes\n", before, nodes);
        Ok(this)
    }
}

impl Drop for Occupation {
    fn drop(&mut self) {
        self.crowd.may_end.complete_all();
    }
}

/// Prints its name when it is dropped.
struct Mark(&'static str);

impl Drop for Mark {
    fn drop(&mut self) {
        pr_info!("dropped {}\n", self.0);
    }
}

/// Fields of which one has to wait when it is dropped.
struct Fields {
    _first: Mark,
    _domain: Pin<KBox<Domain>>,
    _second: Mark,
    _third: Mark,
}

impl Fields {
    /// Schedules a function that ends long after the module is loaded.
    fn new() -> Result<Self> {
        let domain = KBox::pin_init(Domain::exclusive(), GFP_KERNEL)?;

        domain.schedule(
            || {
                fsleep(Delta::from_millis(500));
                pr_info!("dropped function\n");
            },
            GFP_KERNEL,
        )?;
        Ok(Self {
            _first: Mark("first"),
            _domain: domain,
            _second: Mark("second"),
            _third: Mark("third"),
        })
    }
}

/// The objects that a scenario keeps until the module is unloaded.
struct DomainTest {
    _fields: Option<Fields>,
    _occupation: Option<Occupation>,
}

impl kernel::Module for DomainTest {
    fn init(_module: &'static ThisModule) -> Result<Self> {
        let mut this = Self {
            _fields: None,
            _occupation: None,
        };

        // CAST: The parameter allows far less.
        let nodes = parameters::nodes.value() as u16;
        let idle = parameters::idle.value();

        match parameters::scenario.value() {
            Scenario::Registered => wait(KBox::pin_init(Domain::registered(), GFP_KERNEL)?)?,
            Scenario::Exclusive => wait(KBox::pin_init(Domain::exclusive(), GFP_KERNEL)?)?,
            Scenario::Nested => nest()?,
            Scenario::Refused => refuse()?,
            Scenario::Occupied => this._occupation = Some(Occupation::new(nodes, idle)?),
            Scenario::Fields => this._fields = Some(Fields::new()?),
        }
        Ok(this)
    }
}

module! {
    type: DomainTest,
    name: "domain_test",
    authors: ["The async_probe authors"],
    description: "Tests of asynchronous domains",
    license: "GPL",
}
