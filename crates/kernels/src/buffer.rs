//! `Buffer`: memory that starts on a cache line, because a 64-byte vector load that straddles two lines costs two. Not here:
//! growth; a buffer is made at its length.

use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};

use crate::Number;

/// One cache line.
#[derive(Clone, Copy, Debug)]
#[repr(C, align(64))]
pub(crate) struct Line([u64; 8]);

// SAFETY: eight integers without padding, for which all bits are values.
unsafe impl bytemuck::Zeroable for Line {}
// SAFETY: as above; `repr(C)`, `Copy` and without lifetimes.
unsafe impl bytemuck::Pod for Line {}

/// A fixed number of elements, zeroed when made, aligned to 64 bytes. Dereferences to a slice.
#[derive(Clone)]
pub struct Buffer<E> {
    lines: Vec<Line>,
    len: usize,
    element: PhantomData<E>,
}

impl<E: Number> Buffer<E> {
    /// `len` zeros. Allocates.
    pub fn zeros(len: usize) -> Buffer<E> {
        if len == 0 {
            return Buffer::default(); // nothing is asked of the system
        }
        // Memory that the system gives as zeros is not written before it is used.
        Buffer { lines: bytemuck::zeroed_vec(lines::<E>(len)), len, element: PhantomData }
    }

    /// As [`Buffer::zeros`], or `None` where the system does not give the memory.
    pub fn try_zeros(len: usize) -> Option<Buffer<E>> {
        let mut memory: Vec<Line> = Vec::new();
        memory.try_reserve_exact(lines::<E>(len)).ok()?;
        memory.resize(lines::<E>(len), Line([0; 8]));
        Some(Buffer { lines: memory, len, element: PhantomData })
    }
}

impl<E: Number> Buffer<E> {
    /// Elements that fit into its memory.
    pub fn capacity(&self) -> usize {
        self.lines.len() * (size_of::<Line>() / size_of::<E>())
    }

    /// The same memory as `len` elements, with anything in them; None where fewer fit.
    pub fn with_len(self, len: usize) -> Option<Buffer<E>> {
        (len <= self.capacity()).then_some(Buffer { len, ..self })
    }
}

impl<E> Buffer<E> {
    /// The first `len` elements of memory that may hold anything. Panics if it is shorter.
    pub(crate) fn from_lines(lines: Vec<Line>, len: usize) -> Buffer<E> {
        assert!(lines.len() >= self::lines::<E>(len));
        Buffer { lines, len, element: PhantomData }
    }

    /// The memory.
    pub(crate) fn into_lines(self) -> Vec<Line> {
        self.lines
    }
}

/// Cache lines that hold `len` elements.
pub(crate) fn lines<E>(len: usize) -> usize {
    len.div_ceil(size_of::<Line>() / size_of::<E>())
}

impl<E> Default for Buffer<E> {
    fn default() -> Self {
        Buffer { lines: Vec::new(), len: 0, element: PhantomData }
    }
}

impl<E: Number> Deref for Buffer<E> {
    type Target = [E];
    fn deref(&self) -> &[E] {
        &bytemuck::cast_slice(&self.lines)[..self.len]
    }
}

impl<E: Number> DerefMut for Buffer<E> {
    fn deref_mut(&mut self) -> &mut [E] {
        &mut bytemuck::cast_slice_mut(&mut self.lines)[..self.len]
    }
}

impl<E> std::fmt::Debug for Buffer<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Buffer").field("len", &self.len).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_nobody_has_is_refused() {
        assert!(Buffer::<f32>::try_zeros(usize::MAX).is_none());
        assert!(Buffer::<f64>::try_zeros(usize::MAX / 16).is_none());
        assert_eq!(Buffer::<f64>::try_zeros(17).unwrap()[..], [0.0; 17]);
    }

    #[test]
    fn starts_on_a_cache_line_and_holds_its_length() {
        for len in [0, 1, 15, 16, 17, 1000] {
            let mut buffer = Buffer::<f32>::zeros(len);
            assert_eq!(buffer.len(), len);
            assert!(len == 0 || (buffer.as_ptr() as usize).is_multiple_of(64));
            assert!(buffer.iter().all(|&x| x == 0.0));
            if let Some(last) = buffer.last_mut() {
                *last = 2.0;
                assert_eq!(buffer[len - 1], 2.0);
            }
        }
    }
}
