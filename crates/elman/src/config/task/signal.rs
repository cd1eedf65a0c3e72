//! The settings of signals: what a device makes of a waveform.

choices! {
    /// What a signal's error is measured by while it is learned.
    pub enum SignalLoss {
        /// The error-to-signal ratio after a pre-emphasis filter, and a share of the squared mean error.
        Esr,
        /// The mean squared error.
        Squared,
    }
}

settings! {
    /// A waveform for a waveform.
    pub struct Signal {
        /// The columns of a table of recordings that say where the knobs stood: inputs that do not change within one.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        pub knobs: Vec<String> = Vec::new(),
        /// Whether the input is added to the output: the network learns the difference.
        pub skip: bool = false,
        /// What the error is measured by.
        pub signal_loss: SignalLoss = SignalLoss::Esr,
        /// a of the filter 1 - a z^-1 that errors and outputs go through in the loss `esr`; 0 leaves it out.
        pub pre_emphasis: f64 = 0.85,
        /// What the squared mean error counts in the loss `esr`.
        pub dc: f64 = 1.0,
        /// Samples that are read without gradient before the first window of a segment, so that the state has settled.
        pub settle: usize = 1024,
        /// Windows of `seq_len` samples in a segment: one carries its state to the next.
        pub windows: usize = 10,
        /// Share of each recording, at its end, that the trained model is tested on.
        pub test_frac: f64 = 0.1,
        /// Whether an output that is late or early is moved.
        pub align: bool = true,
    }
}
