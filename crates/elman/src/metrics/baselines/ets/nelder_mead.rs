//! The minimum of a function on the unit cube by the simplex method. Source: Nelder and Mead 1965. Not here: derivatives.

/// A place and the function's value there.
type Corner = (Vec<f64>, f64);

/// Values of the corners that differ by less are equal, where the corners are close, too.
const SAME_VALUE: f64 = 1e-7;
const SAME_PLACE: f64 = 1e-4;

/// The place of the least value found from `start`, with at most about `calls` calls of the function. Places outside the
/// cube are moved to its surface.
pub fn minimum(start: &[f64], width: f64, calls: usize, mut function: impl FnMut(&[f64]) -> f64) -> Corner {
    let mut left = calls;
    let mut evaluate = |place: Vec<f64>| {
        left = left.saturating_sub(1);
        let place: Vec<f64> = place.iter().map(|x| x.clamp(0.0, 1.0)).collect();
        let value = function(&place);
        (place, if value.is_nan() { f64::INFINITY } else { value }, left)
    };
    let mut simplex: Vec<Corner> = Vec::with_capacity(start.len() + 1);
    for i in 0..=start.len() {
        let mut place = start.to_vec();
        if let Some(x) = place.get_mut(i) {
            *x += if *x + width > 1.0 { -width } else { width };
        }
        let (place, value, _) = evaluate(place);
        simplex.push((place, value));
    }
    loop {
        simplex.sort_by(|a, b| a.1.total_cmp(&b.1));
        let Some((worst, kept)) = simplex.split_last() else { return (Vec::new(), f64::INFINITY) };
        let (best, second) = (kept.first().unwrap_or(worst), kept.last().unwrap_or(worst).1);
        if is_small(worst, best) {
            return best.clone();
        }
        let middle: Vec<f64> =
            (0..start.len()).map(|i| kept.iter().map(|corner| corner.0[i]).sum::<f64>() / kept.len() as f64).collect();
        let away = |by: f64| middle.iter().zip(&worst.0).map(|(m, x)| m + by * (m - x)).collect::<Vec<f64>>();
        let (place, value, mut left) = evaluate(away(1.0));
        let mut new = (place, value);
        if value < best.1 {
            let (place, value, now) = evaluate(away(2.0));
            left = now;
            if value < new.1 {
                new = (place, value);
            }
        } else if value >= second {
            let (place, value, now) = evaluate(away(if value < worst.1 { 0.5 } else { -0.5 }));
            left = now;
            if value < new.1 {
                new = (place, value);
            }
        }
        let best = best.clone();
        if new.1 < worst.1 {
            let last = simplex.len() - 1;
            simplex[last] = new;
        } else {
            for corner in &mut simplex[1..] {
                let halfway = corner.0.iter().zip(&best.0).map(|(x, best)| 0.5 * (x + best)).collect();
                let (place, value, now) = evaluate(halfway);
                (*corner, left) = ((place, value), now);
            }
        }
        if left == 0 {
            return simplex.into_iter().min_by(|a, b| a.1.total_cmp(&b.1)).unwrap_or(best);
        }
    }
}

fn is_small(worst: &Corner, best: &Corner) -> bool {
    let is_close = worst.0.iter().zip(&best.0).all(|(a, b)| (a - b).abs() < SAME_PLACE);
    worst.1 == best.1 && !worst.1.is_finite() || worst.1 - best.1 < SAME_VALUE && is_close
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_minimum_of_a_curved_valley_is_found() {
        // Rosenbrock's function on [-2, 2] squared; its minimum of 0 is at (1, 1).
        let function = |place: &[f64]| {
            let (x, y) = (4.0 * place[0] - 2.0, 4.0 * place[1] - 2.0);
            (1.0 - x) * (1.0 - x) + 100.0 * (y - x * x) * (y - x * x)
        };
        let (place, value) = minimum(&[0.2, 0.7], 0.1, 1000, function);
        assert!(value < 1e-8 && place.iter().all(|x| (x - 0.75).abs() < 1e-4), "{place:?} {value}");
    }

    #[test]
    fn a_minimum_on_the_surface_is_found_there() {
        let (place, value) = minimum(&[0.5, 0.5], 0.2, 1000, |place| place[0] + (place[1] - 0.3) * (place[1] - 0.3));
        assert!(place[0] == 0.0 && (place[1] - 0.3).abs() < 1e-3 && value < 1e-6, "{place:?} {value}");
        let (place, value) = minimum(&[0.5], 0.2, 100, |_| f64::NAN);
        assert!(place.len() == 1 && value == f64::INFINITY);
    }
}
