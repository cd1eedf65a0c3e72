//! The settings of forecasts.

use crate::metrics::distribution::Output;

choices! {
    /// What is done to a series' values before anything else, in this order where there are several.
    pub enum Transform {
        /// The natural logarithm, of values above 0.
        Log,
        /// The difference to the value a season before.
        Seasonal,
        /// The difference to the last value that is known.
        Diff,
    }

    /// How a forecast reaches beyond the next step.
    pub enum Strategy {
        /// The net gives all steps of the horizon at once.
        Direct,
        /// The net gives one step, which is drawn and fed back to it, step by step; many paths make a distribution.
        Recursive,
    }

    /// What carries the past.
    pub enum Memory {
        /// Recurrent layers.
        Recurrent,
        /// The last `lags` values and nothing else, before layers without recurrence.
        Window,
    }
}

settings! {
    /// What comes next in a time series. The input at t is (`y[t-1]`, `x[t]`), and predicts `y[t]`.
    pub struct Forecast {
        /// The time column; None takes the first.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub time: Option<String> = None,
        /// The value columns; none takes all that are nothing else.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        pub values: Vec<String> = Vec::new(),
        /// The column that says which series a row belongs to.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub group: Option<String> = None,
        /// Columns that are known beforehand: x.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        pub covariates: Vec<String> = Vec::new(),
        /// Whether the first row names the columns.
        pub header: bool = true,
        /// Steps that are forecast.
        pub horizon: usize = 12,
        /// Steps of a season; 1 where there is none.
        pub season: usize = 1,
        /// What is done to the values first.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        pub transform: Vec<Transform> = Vec::new(),
        /// Whether the place within year, week and day is an input, as far as the times tell.
        pub calendar: bool = true,
        /// What the net's numbers are the parameters of.
        pub output: Output = Output::Gaussian,
        /// How it reaches beyond the next step.
        pub strategy: Strategy = Strategy::Direct,
        /// What carries the past.
        pub memory: Memory = Memory::Recurrent,
        /// Values of the past in an input. None: 1, and a season or 12 for a window.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub lags: Option<usize> = None,
        /// Probability of the intervals.
        pub level: f64 = 0.8,
        /// Paths that are drawn where the strategy is recursive.
        pub paths: usize = 200,
        /// Origins before a forecast's own from which the model forecasts, too, to be compared with the values that are
        /// known by then and were not trained on: where fewer of them lie within their intervals than `level` says, the
        /// interval is widened until as many would. 0 leaves the model's intervals unchanged.
        pub recent: usize = 0,
    }
}

impl Forecast {
    /// Values of the past in an input.
    pub fn lags(&self) -> usize {
        self.lags.unwrap_or(match self.memory {
            Memory::Recurrent => 1,
            Memory::Window => self.season.max(12),
        })
    }

    /// Whether values are transformed so.
    pub fn has(&self, transform: Transform) -> bool {
        self.transform.contains(&transform)
    }

    /// Steps that the net gives at once.
    pub fn steps_at_once(&self) -> usize {
        if self.strategy == Strategy::Direct { self.horizon } else { 1 }
    }
}
