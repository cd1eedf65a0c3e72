//! The calendar of series: how a column writes its times ([`Clock`]), the points in time themselves ([`Stamp`]) and the
//! step from one to the next ([`Frequency`]). Not here: tables, series and their values.
//!
//! Dates and time zones are those of crate `jiff`, with the time zones that are compiled in. What lies between two
//! stamps is decided in two ways: steps of hours and less count absolute time, steps of days and more count civil dates
//! and keep the civil time of day. With a time zone an hourly series therefore has 23 or 25 rows on the days on which
//! the clocks change, and a daily one keeps its hour.
//!
//! Civil times without an offset, in a time zone: of a time that occurs twice the first is taken, and a time that does
//! not occur is moved forward by what the clocks were put forward, as jiff's `compatible` does. Texts of an hourly
//! series that repeat an hour in autumn are therefore equal stamps: only offsets tell them apart. A daily step counted
//! from a time that was moved keeps the moved hour, so steps are best counted from the first row.

mod choose;
mod clock;
mod detect;
mod differences;
mod frequency;
mod number;
mod parse;
mod read;
mod stamp;
mod step;
mod style;
mod turns;
mod write;
mod zone;

#[cfg(test)]
mod tests;

pub use clock::Clock;
pub use frequency::Frequency;
pub use stamp::Stamp;
