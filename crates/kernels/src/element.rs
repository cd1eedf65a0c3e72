//! `Element`: a number type with every public function of this crate. Callers outside are bound by it; no module of this
//! crate is.

use crate::number::Number;

/// A number type of the kernels: f32 or f64. Its arithmetic and constants are in [`Scalar`](crate::Scalar).
pub trait Element:
    Number
    + crate::descent::EntryPoints<Self>
    + crate::elementwise::EntryPoints<Self>
    + crate::gather::EntryPoints<Self>
    + crate::head::EntryPoints<Self>
    + crate::linear::EntryPoints<Self>
    + crate::dropout::EntryPoints<Self>
    + crate::math::EntryPoints<Self>
    + crate::norm::EntryPoints<Self>
    + crate::recurrent::EntryPoints<Self>
    + crate::recurrent::step::EntryPoints<Self>
    + crate::softmax::EntryPoints<Self>
{
}
impl Element for f32 {}
impl Element for f64 {}
