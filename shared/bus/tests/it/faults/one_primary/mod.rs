//! One primary is slow, full or away, with or without replicas, or another server takes its address.

mod address;
mod buffers;
mod crowd;
mod memory;
mod names;
mod replica;
mod restart;
mod slow;
