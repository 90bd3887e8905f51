//! HTTP that is none, or means two things at once.
