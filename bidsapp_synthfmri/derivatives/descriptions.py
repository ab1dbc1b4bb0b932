"""What files of each ``desc-`` hold, as ``descriptions.tsv`` says it."""

DESCRIPTIONS = {
    "singletrial": "One response per trial and voxel, estimated from preprocessed BOLD",
    "dropped": "Trials that have no response",
    "hrf": "The haemodynamic response chosen for each voxel",
    "ridge": "The strength of ridge regression chosen for each voxel's single-trial responses",
    "roi": "Regions of interest on the grid of the preprocessed BOLD",
    "measured": "Regions of interest before voxels were left out by their reliability",
    "reliability": "How far responses to repeated stimuli agree",
    "encoder": "The voxelwise encoding model, and how well it predicts responses to unseen stimuli",
    "bestlayer": "The network layer chosen for each voxel",
    "encoding": "Scores of the encoding model, and facts of the run that fitted it",
    "rank": "Images in order of the response predicted for a region",
    "synthetic": "Responses predicted by the encoding model; no human was scanned for them",
    "unseen": "Responses predicted by encoding models that saw no trial of the image's category",
    "untrained": "Responses predicted by an encoding model on the untrained network; no human was scanned",
    "pictures": "What the network's features say of the pictures, without any response",
    "accounting": "Agreement of real with real, and of synthetic with real responses",
    "uncertainty": "Signal and noise of single responses, and what the encoder misses of them",
    "results": "What was written, from what, and whether it is whole",
    "leakage": "What training may have seen of the test stimuli",
}
