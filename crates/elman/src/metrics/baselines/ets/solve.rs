//! Linear equations with a positive definite matrix, by Cholesky's decomposition. Not here: other matrices.

/// The solution x of A x = b; of A, row by row, the lower triangle is read. None where A is not positive definite.
pub fn solve(matrix: &[f64], b: &[f64]) -> Option<Vec<f64>> {
    let count = b.len();
    let mut lower = matrix.to_vec();
    for i in 0..count {
        for j in 0..=i {
            let known: f64 = (0..j).map(|k| lower[i * count + k] * lower[j * count + k]).sum();
            let rest = lower[i * count + j] - known;
            let is_positive = rest > 0.0;
            if i == j && !is_positive {
                return None;
            }
            lower[i * count + j] = if i == j { libm::sqrt(rest) } else { rest / lower[j * count + j] };
        }
    }
    let mut x = b.to_vec();
    for i in 0..count {
        let known: f64 = (0..i).map(|k| lower[i * count + k] * x[k]).sum();
        x[i] = (x[i] - known) / lower[i * count + i];
    }
    for i in (0..count).rev() {
        let known: f64 = (i + 1..count).map(|k| lower[k * count + i] * x[k]).sum();
        x[i] = (x[i] - known) / lower[i * count + i];
    }
    Some(x)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_is_solved_by_hand() {
        // [4 2; 2 5] [1 2] = [8 12]; the upper triangle is not read.
        assert_eq!(solve(&[4.0, f64::NAN, 2.0, 5.0], &[8.0, 12.0]), Some(vec![1.0, 2.0]));
        assert_eq!(solve(&[1.0, 0.0, 1.0, 1.0], &[1.0, 1.0]), None, "singular");
        assert_eq!(solve(&[f64::NAN], &[1.0]), None);
        assert_eq!(solve(&[], &[]), Some(Vec::new()));
    }
}
