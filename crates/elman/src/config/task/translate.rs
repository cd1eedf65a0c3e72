//! The settings of translation: where pairs of texts are, how they are split, and the network.

choices! {
    /// How the decoder looks at what was read. Scores of a decoder's h against a step's e of the encoder.
    pub enum Attention {
        /// Not at all: the encoder's last state is all it knows.
        None,
        /// h e, which asks for equal widths.
        Dot,
        /// h W e.
        General,
        /// v tanh(W h + U e).
        Additive,
    }
}

settings! {
    /// Where pairs of texts are in a table.
    pub struct Sides {
        /// The column that is read.
        pub from: String = "1".into(),
        /// The column that is written.
        pub to: String = "2".into(),
        /// Whether the first row names the columns; without, they are `1`, `2`, ...
        pub header: bool = false,
    }

    /// A text for every text.
    pub struct Translate {
        /// Where the pairs are.
        pub source: Sides = Sides::default(),
        /// Words and marks that a text that is read may have; pairs with more are left out. 0 lets all in.
        pub max_from: usize = 50,
        /// The same of a text that is written.
        pub max_to: usize = 50,
        /// Different texts to read that are kept for validation, with all that may be written for them. None: `val_frac` of
        /// them.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub val_sentences: Option<usize> = None,
        /// The same, to measure the trained model on.
        pub test_sentences: usize = 0,
        /// Whether the encoder reads backwards, too.
        pub bidirectional: bool = true,
        /// Units of the encoder, in each direction. None: as many as make both directions as wide as the decoder.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub encoder_hidden: Option<usize> = None,
        /// How the decoder looks at what was read.
        pub attention: Attention = Attention::Dot,
        /// Whether what was attended to is fed into the next step (Luong, Pham, Manning 2015, section 3.3).
        pub input_feeding: bool = false,
        /// How likely a decoder's input is the true token at the end of training, instead of the model's own: it falls from
        /// 1 step by step. 1 is teacher forcing throughout.
        pub forcing: f64 = 1.0,
        /// Share of the target's probability that is spread over all tokens (Szegedy et al. 2016).
        pub smoothing: f64 = 0.0,
    }
}
