//! Holds `Buffer`, memory that starts on a cache line: a 64-byte vector load that straddles two lines costs two.
//! Refuses to grow: a buffer is made at its length. And `Shelf`, where memory is kept from one use to the next.

use std::marker::PhantomData;
use std::ops::{Deref, DerefMut};
use std::sync::Mutex;

use crate::Element;

/// One cache line.
#[derive(Clone, Copy, Debug, bytemuck::Pod, bytemuck::Zeroable)]
#[repr(C, align(64))]
struct Line([u64; 8]);

/// A fixed number of elements, zeroed when made, aligned to 64 bytes. Dereferences to a slice.
#[derive(Clone)]
pub struct Buffer<E> {
    lines: Vec<Line>,
    len: usize,
    element: PhantomData<E>,
}

impl<E: Element> Buffer<E> {
    /// `len` zeros. Allocates.
    pub fn zeros(len: usize) -> Buffer<E> {
        Buffer { lines: vec![Line([0; 8]); lines::<E>(len)], len, element: PhantomData }
    }

    /// As [`Buffer::zeros`], or `None` where the system does not give the memory.
    pub fn try_zeros(len: usize) -> Option<Buffer<E>> {
        let mut memory: Vec<Line> = Vec::new();
        memory.try_reserve_exact(lines::<E>(len)).ok()?;
        memory.resize(lines::<E>(len), Line([0; 8]));
        Some(Buffer { lines: memory, len, element: PhantomData })
    }
}

/// Cache lines that hold `len` elements.
fn lines<E>(len: usize) -> usize {
    len.div_ceil(size_of::<Line>() / size_of::<E>())
}

impl<E> Default for Buffer<E> {
    fn default() -> Self {
        Buffer { lines: Vec::new(), len: 0, element: PhantomData }
    }
}

impl<E: Element> Deref for Buffer<E> {
    type Target = [E];
    fn deref(&self) -> &[E] {
        &bytemuck::cast_slice(&self.lines)[..self.len]
    }
}

impl<E: Element> DerefMut for Buffer<E> {
    fn deref_mut(&mut self) -> &mut [E] {
        &mut bytemuck::cast_slice_mut(&mut self.lines)[..self.len]
    }
}

impl<E> std::fmt::Debug for Buffer<E> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Buffer").field("len", &self.len).finish_non_exhaustive()
    }
}

/// Memory that is lent, and kept when it comes back.
#[derive(Debug, Default)]
pub(crate) struct Shelf(Mutex<Vec<Vec<Line>>>);

/// Memory of a shelf, a buffer until it is dropped.
pub(crate) struct Loan<'a, E: Element> {
    shelf: &'a Shelf,
    buffer: Buffer<E>,
}

impl Shelf {
    /// The smallest memory there is that holds `len` elements, or a new one; with anything in it.
    pub fn take<E: Element>(&self, len: usize) -> Loan<'_, E> {
        let needed = lines::<E>(len);
        let kept = {
            let mut kept = self.kept();
            let fits = kept.iter().enumerate().filter(|(_, lines)| lines.len() >= needed);
            fits.min_by_key(|(_, lines)| lines.len()).map(|(i, _)| i).map(|i| kept.swap_remove(i))
        };
        let buffer = match kept {
            Some(lines) => Buffer { lines, len, element: PhantomData },
            None => Buffer::zeros(len),
        };
        Loan { shelf: self, buffer }
    }

    fn kept(&self) -> std::sync::MutexGuard<'_, Vec<Vec<Line>>> {
        self.0.lock().unwrap_or_else(|e| e.into_inner())
    }
}

impl<E: Element> Drop for Loan<'_, E> {
    fn drop(&mut self) {
        self.shelf.kept().push(std::mem::take(&mut self.buffer.lines));
    }
}

impl<E: Element> Deref for Loan<'_, E> {
    type Target = [E];
    fn deref(&self) -> &[E] {
        &self.buffer
    }
}

impl<E: Element> DerefMut for Loan<'_, E> {
    fn deref_mut(&mut self) -> &mut [E] {
        &mut self.buffer
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
    fn a_shelf_lends_what_came_back() {
        let shelf = Shelf::default();
        let place = |loan: &Loan<'_, f32>| loan.as_ptr() as usize;
        let (large, small) = (shelf.take::<f32>(1000), shelf.take::<f32>(20));
        let (at_large, at_small) = (place(&large), place(&small));
        assert_ne!(at_large, at_small);
        drop((large, small));
        let again = shelf.take::<f32>(17);
        assert_eq!((again.len(), place(&again)), (17, at_small), "the smallest that is long enough");
        let other = shelf.take::<f32>(17);
        assert_eq!((other.len(), place(&other)), (17, at_large), "two are never the same");
        assert_eq!(shelf.take::<f64>(0).len(), 0);
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
