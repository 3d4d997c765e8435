//! Whether a figure that wobbles grows: a straight line through the last half of its samples.

/// A look at a figure: where (seconds, or rounds), and how much (bytes).
pub(crate) type Sample = (f64, f64);

/// Fewer samples in the last half than this prove nothing.
const SAMPLES_MIN: usize = 8;

/// What the last half of the samples does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Trend {
    /// Bytes per second, or per round.
    pub(crate) slope: f64,
    /// Seconds, or rounds, that the last half spans.
    pub(crate) span: f64,
}

impl Trend {
    /// The growth of the fitted line from its left end to its right.
    pub(crate) fn growth(&self) -> f64 {
        self.slope * self.span
    }

    /// Whether this is more than `slope_max`, and more than `resolution` bytes in all: a short span, times a large factor, makes a
    /// mountain of every page.
    pub(crate) fn grows(&self, slope_max: f64, resolution: f64) -> bool {
        self.slope > slope_max && self.growth() > resolution
    }
}

/// The line of least squares through the last half of the samples; None: there are too few of them.
pub(crate) fn trend(samples: &[Sample]) -> Option<Trend> {
    let half = last_half(samples);
    if half.len() < SAMPLES_MIN {
        return None;
    }
    let (slope, _) = line(half)?;
    Some(Trend {
        slope,
        span: half.last()?.0 - half.first()?.0,
    })
}

/// The samples in the second half of the span, whatever their density.
pub(crate) fn last_half(samples: &[Sample]) -> &[Sample] {
    let (Some(first), Some(last)) = (samples.first(), samples.last()) else {
        return samples;
    };
    let middle = (first.0 + last.0) / 2.0;
    &samples[samples.partition_point(|(at, _)| *at < middle)..]
}

/// Slope, and value at 0, of the line of least squares. None where all samples stand at one place.
pub(crate) fn line(samples: &[Sample]) -> Option<(f64, f64)> {
    let count = samples.len() as f64;
    let mean_x = samples.iter().map(|(x, _)| x).sum::<f64>() / count;
    let mean_y = samples.iter().map(|(_, y)| y).sum::<f64>() / count;
    let (mut along, mut spread) = (0.0, 0.0);
    for (x, y) in samples {
        along += (x - mean_x) * (y - mean_y);
        spread += (x - mean_x) * (x - mean_x);
    }
    (spread > 0.0).then(|| {
        let slope = along / spread;
        (slope, mean_y - slope * mean_x)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::swarm::Random;

    const MIB: f64 = 1_048_576.0;
    const MIB_PER_HOUR: f64 = MIB / 3_600.0;

    /// A sample per second for an hour.
    fn hour(bytes: impl FnMut(f64) -> f64) -> Vec<Sample> {
        let seconds = (0..3_600).map(f64::from);
        let bytes = seconds.clone().map(bytes);
        seconds.zip(bytes).collect()
    }

    fn grows(samples: &[Sample]) -> bool {
        let trend = trend(samples).expect("enough samples");
        trend.grows(MIB_PER_HOUR, MIB / 4.0)
    }

    #[test]
    fn flat_is_flat() {
        let samples = hour(|_| 20.0 * MIB);
        assert_eq!(trend(&samples).expect("enough samples").slope, 0.0);
        assert!(!grows(&samples));
    }

    #[test]
    fn growth_is_seen() {
        assert!(grows(&hour(|s| 20.0 * MIB + s * 1.01 * MIB_PER_HOUR)));
        assert!(!grows(&hour(|s| 20.0 * MIB + s * 0.99 * MIB_PER_HOUR)));
        assert!(!grows(&hour(|s| 20.0 * MIB - s * 5.0 * MIB_PER_HOUR)));
    }

    #[test]
    fn growth_is_seen_through_noise() {
        let mut random = Random::new(1);
        let mut noise = move || (random.below(2_000) as f64 / 1_000.0 - 1.0) * 2.0 * MIB;
        assert!(!grows(&hour(|_| 20.0 * MIB + noise())));
        assert!(grows(&hour(|s| 20.0 * MIB
            + noise()
            + s * 2.0 * MIB_PER_HOUR)));
    }

    #[test]
    fn what_grows_at_the_start_only_is_warming_up() {
        assert!(!grows(&hour(|s| 20.0 * MIB + s.min(1_700.0) * 0.1 * MIB)));
    }

    #[test]
    fn steps_are_growth() {
        // The allocator takes memory from the system in pieces.
        assert!(grows(&hour(
            |s| 20.0 * MIB + (s / 300.0).floor() * 0.25 * MIB
        )));
    }

    #[test]
    fn a_page_in_a_short_span_is_not() {
        let minute: Vec<Sample> = (0..60)
            .map(|s| (f64::from(s), 20.0 * MIB + f64::from(s / 45) * 4_096.0))
            .collect();
        let trend = trend(&minute).expect("enough samples");
        assert!(trend.slope > 0.0 && !trend.grows(0.0, MIB / 4.0));
        assert!(trend.grows(0.0, 1_024.0));
    }

    #[test]
    fn too_little_to_tell() {
        assert_eq!(trend(&[]), None);
        assert_eq!(trend(&[(0.0, 1.0); 100]), None);
        let few: Vec<Sample> = (0..10).map(|s| (f64::from(s), 1.0)).collect();
        assert_eq!(trend(&few), None);
    }

    #[test]
    fn the_last_half_is_of_time_not_of_samples() {
        let mut samples: Vec<Sample> = (0..100).map(|s| (f64::from(s) / 100.0, 0.0)).collect();
        samples.extend((1..=10).map(|s| (f64::from(s), 1.0)));
        assert_eq!(last_half(&samples).len(), 6);
    }
}
