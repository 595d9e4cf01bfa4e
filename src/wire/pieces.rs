//! Long text in pieces, so that no line of a stream is longer than common readers take.

/// The longest piece of text in one event, in bytes before escaping. A multiple of four,
/// so that pieces of base64 can be decoded one by one.
pub const PIECE_BYTES_MAX: usize = 16 * 1024;

/// Cuts text into pieces of at most [`PIECE_BYTES_MAX`], between characters.
pub(in crate::wire) fn pieces(text: &str) -> impl Iterator<Item = &str> {
    let mut rest = text;
    std::iter::from_fn(move || {
        let (piece, after) = rest.split_at_checked(rest.floor_char_boundary(PIECE_BYTES_MAX))?;
        rest = after;
        (!piece.is_empty()).then_some(piece)
    })
}
