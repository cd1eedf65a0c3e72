//! The settings of forecasts. Not here: their checks (`check_task.rs`).

use crate::metrics::distribution::Output;

choices! {
    /// What is done to a series' values before anything else, in this order where there are several.
    pub enum Transform {
        /// The natural logarithm, of values above 0.
        Log,
        /// The Box-Cox power with the exponent of the setting `box_cox`, of values above 0.
        BoxCox,
        /// The difference to the value a season before.
        Seasonal,
        /// The difference to the last value that is known.
        Diff,
    }

    /// What values are divided by, from the `seq_len` values before each step.
    pub enum Scale {
        /// The mean of the absolute values.
        MeanAbs,
        /// The mean absolute deviation from the mean, which is subtracted first.
        Mean,
        /// The standard deviation; the mean is subtracted first.
        Standard,
        /// The interquartile range; the median is subtracted first.
        Robust,
        /// The standard deviation of the training part of all series together; its mean is subtracted first. For series
        /// of one size that do not change it.
        Global,
        /// Nothing.
        None,
    }

    /// What stands for a missing value.
    pub enum Missing {
        /// The last value before it, with an input that says that it is missing; it has no loss.
        Mask,
        /// The last value before it.
        Ffill,
        /// The line between its neighbours; where nothing comes after it, the last value before it.
        Interpolate,
        /// 0.
        Zero,
    }

    /// How a forecast reaches beyond the next step.
    pub enum Strategy {
        /// The network gives all steps of the horizon at once.
        Direct,
        /// The network gives one step, which is drawn and fed back to it, step by step; many paths make a distribution.
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
        /// Columns whose values are known in the future.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        pub covariates: Vec<String> = Vec::new(),
        /// Columns that are known in the past only.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        pub past_covariates: Vec<String> = Vec::new(),
        /// Columns that do not change within a series.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        pub statics: Vec<String> = Vec::new(),
        /// Of the covariates and static columns: those that are categories, although their cells may be numbers.
        /// Columns with other cells are categories anyway.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        pub categories: Vec<String> = Vec::new(),
        /// Whether a row is a whole series: its name, then its values.
        pub wide: bool = false,
        /// Whether the first row names the columns.
        pub header: bool = true,
        /// The time between two rows; None finds it in each series.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub freq: Option<String> = None,
        /// The time zone of the times.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub zone: Option<String> = None,
        /// What stands for a missing value.
        pub missing: Missing = Missing::Mask,
        /// Steps that are forecast.
        pub horizon: usize = 12,
        /// Steps of a season; 1 where there is none.
        pub season: usize = 1,
        /// Steps before each step that is forecast whose values are inputs. None: the season, where there is one.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub season_lags: Option<Vec<usize>> = None,
        /// What is done to the values first.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        pub transform: Vec<Transform> = Vec::new(),
        /// The exponent of `boxcox`; 0 is the logarithm.
        pub box_cox: f64 = 0.5,
        /// What values are divided by. None: `standard` for differences, else `meanabs`.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub scale: Option<Scale> = None,
        /// Whether the place within year, week, day and hour is an input, as far as the times say it.
        pub calendar: bool = true,
        /// What the network's numbers are the parameters of.
        pub output: Output = Output::Gaussian,
        /// The probabilities of the output `quantile`.
        pub quantiles: Vec<f64> = vec![0.1, 0.25, 0.5, 0.75, 0.9],
        /// Whether forecasts below 0 become 0.
        pub non_negative: bool = false,
        /// How it reaches beyond the next step.
        pub strategy: Strategy = Strategy::Direct,
        /// What carries the past.
        pub memory: Memory = Memory::Recurrent,
        /// The last values in an input. None: 1, and a season or 12 for a window.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub lags: Option<usize> = None,
        /// Units of the layer that combines the state with what is known of a step of the horizon.
        pub decoder: usize = 16,
        /// Steps at the end of each window that forecast in training. None: so many that about 256 values are forecast.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub train_origins: Option<usize> = None,
        /// Networks whose quantiles are averaged.
        #[serde(rename = "members")]
        pub ensemble_size: usize = 1,
        /// Probability of the intervals.
        pub level: f64 = 0.8,
        /// Paths that are drawn where the strategy is recursive.
        pub paths: usize = 200,
        /// Origins of the backtest, the last at a horizon before the end of each series; 0: all those in the last
        /// `val_frac` of the rows.
        pub origins: usize = 0,
        /// Steps between two origins.
        pub stride: usize = 1,
        /// The time at which the backtest begins.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub test_from: Option<String> = None,
        /// Origins before a forecast's own from which the model forecasts, too, to be compared with the values that are
        /// known by then and were not trained on: where fewer of them lie within their intervals than `level` says, the
        /// interval is widened until as many would. 0 leaves the model's intervals unchanged.
        pub recent: usize = 0,
    }
}

impl Forecast {
    /// The last values in an input.
    pub fn lags(&self) -> usize {
        self.lags.unwrap_or(match self.memory {
            Memory::Recurrent => 1,
            Memory::Window => self.season.max(12),
        })
    }

    /// Steps before each step that is forecast whose values are inputs.
    pub fn season_lags(&self) -> Vec<usize> {
        self.season_lags.clone().unwrap_or(if self.season > 1 { vec![self.season] } else { Vec::new() })
    }

    /// What values are divided by.
    pub fn scale(&self) -> Scale {
        let default = if self.output.is_count() { Scale::MeanAbs } else { Scale::Standard };
        self.scale.unwrap_or(if self.has(Transform::Diff) { default } else { Scale::MeanAbs })
    }

    /// Whether each series is scaled by its own values.
    pub fn has_own_scale(&self) -> bool {
        !matches!(self.scale(), Scale::Global | Scale::None)
    }

    /// Whether values are transformed so.
    pub fn has(&self, transform: Transform) -> bool {
        self.transform.contains(&transform)
    }

    /// Steps that the network gives at once.
    pub fn steps_at_once(&self) -> usize {
        if self.strategy == Strategy::Direct { self.horizon } else { 1 }
    }

    /// Steps at the end of each window that forecast in training.
    pub fn train_origins(&self) -> usize {
        match self.strategy {
            Strategy::Direct => self.train_origins.unwrap_or((256 / self.horizon).max(8)),
            Strategy::Recursive => self.train_origins.unwrap_or(usize::MAX),
        }
    }

    /// Rows before a step that its input depends on: `context` values to scale by, the lags, and what their transforms
    /// look back to. Saturates.
    pub fn reach(&self, context: usize) -> usize {
        let lag = self.season_lags().into_iter().max().unwrap_or(0);
        // A value of a later season is looked for a few seasons before, where that one is missing.
        let season = if self.has(Transform::Seasonal) { self.season.saturating_mul(4) } else { 0 };
        context.max(self.lags()).max(lag.saturating_mul(2)).saturating_add(season).saturating_add(self.horizon)
    }
}
