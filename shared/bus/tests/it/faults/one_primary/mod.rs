//! One primary is slow, full or away, with or without replicas.

mod buffers;
mod crowd;
mod memory;
mod replica;
mod restart;
mod slow;
