//! Where a stream tells its usage.

/// Where a stream tells its usage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum UsageTold {
    /// It does not: nobody asked for it.
    Nowhere,
    /// In a chunk of its own behind all others, as `stream_options.include_usage` asks.
    Apart,
    /// In the last chunk of a choice, as some providers do unasked.
    Beside,
}

impl UsageTold {
    /// Where a client is told it, that asks for it or not, of an answer that told it
    /// unasked or not.
    pub const fn to(asks: bool, was_beside: bool) -> Self {
        match (asks, was_beside) {
            (true, _) => Self::Apart,
            (false, true) => Self::Beside,
            (false, false) => Self::Nowhere,
        }
    }
}
