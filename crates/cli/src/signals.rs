//! Handles signals: the first stops the work after the current step, the second ends the program at once. Not here: anything
//! before `listen`; until training starts, Ctrl-C ends the program as usual, because there is nothing to save.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

#[cfg(unix)]
use signal_hook::consts::SIGHUP;
use signal_hook::consts::{SIGINT, SIGTERM};
use signal_hook::flag;

/// Stores the signal that arrived.
pub struct Signals {
    number: Arc<AtomicUsize>,
}

impl Signals {
    /// Handles SIGINT, SIGTERM and, on Unix, SIGHUP; one that was ignored when the program began, as `nohup` asks for, stays
    /// ignored. Errors: the system does not allow it.
    pub fn listen() -> io::Result<Signals> {
        let number = Arc::new(AtomicUsize::new(0));
        let arrived = Arc::new(AtomicBool::new(false));
        for signal in [
            SIGINT,
            SIGTERM,
            #[cfg(unix)]
            SIGHUP,
        ]
        .into_iter()
        .filter(|&signal| !is_ignored(signal))
        {
            // Order matters: the first handler must see only a flag that an earlier signal has set.
            flag::register_conditional_shutdown(signal, exit_code(signal as usize).into(), Arc::clone(&arrived))?;
            flag::register_usize(signal, Arc::clone(&number), signal as usize)?;
            flag::register(signal, Arc::clone(&arrived))?;
        }
        Ok(Signals { number })
    }

    /// The exit code of the signal that arrived, if any: 130 for SIGINT, 143 for SIGTERM, 129 for SIGHUP.
    pub fn exit_code(&self) -> Option<u8> {
        match self.number.load(Ordering::Relaxed) {
            0 => None,
            signal => Some(exit_code(signal)),
        }
    }
}

/// Whether a signal is ignored, where the system says so (Linux).
fn is_ignored(signal: i32) -> bool {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
    let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
    mask >> (signal - 1) & 1 == 1
}

fn exit_code(signal: usize) -> u8 {
    128 + signal as u8
}
