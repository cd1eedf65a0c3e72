//! Text from a trained model: the choice of a token, many streams in one batch, where a text ends, the likeliest next
//! tokens. Not here: printing; tokens are returned one by one, and the caller shows them.

mod batch;
mod choose;
mod cut;
mod ending;
mod next;

pub mod search;
pub mod session;
mod stepper;

pub use batch::{Batch, Generator, Start};
pub use choose::{REPETITION_WINDOW, choose, penalise};
pub use cut::{CUTS, Cut, Settings};
pub use ending::Ending;
pub use next::{Next, next_tokens};
pub use session::{Precision, Session};
