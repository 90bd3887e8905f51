//! Pages that were written for other servers, over two gateways and two callbacks.

mod pages;
