//! What goes wrong on the way: each flow meets all of it.

use super::*;
