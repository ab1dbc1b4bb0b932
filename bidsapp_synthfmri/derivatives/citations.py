"""What to cite, as data; CITATION.md and CITATION.bib are written from it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Reference:
    """A publication.

    Attributes
    ----------
    key, kind : BibTeX key and entry type
    role : what this program owes it, as a sentence
    authors : as BibTeX wants them
    year : of publication
    fields : further BibTeX fields, in order
    """

    key: str
    kind: str
    role: str
    authors: str
    year: int
    fields: tuple[tuple[str, str], ...]

    @property
    def bibtex(self) -> str:
        """The entry."""
        lines = [("author", self.authors), ("year", str(self.year)), *self.fields]
        body = ",\n".join(f"  {name} = {{{value}}}" for name, value in lines)
        return f"@{self.kind}{{{self.key},\n{body}\n}}\n"

    @property
    def line(self) -> str:
        """The reference in plain text."""
        known = dict(self.fields)
        authors = self.authors.replace(" and others", " et al.").replace(" and ", "; ")
        where = known.get("journal", known.get("booktitle", ""))
        numbers = ":".join(part for part in (known.get("volume"), known.get("pages")) if part)
        parts = [f"{authors} ({self.year})", known.get("title", "")]
        parts += [f"{where} {numbers}".strip(), f"doi:{known['doi']}" if "doi" in known else ""]
        return ". ".join(part for part in parts if part) + "."


REFERENCES = (
    Reference(
        "delavari2025",
        "article",
        "The study whose claims this program lets you test.",
        "Delavari, Parsa and Sigal, Leonid and Oruc, Ipek",
        2025,
        (
            ("title", "{CNN}-extracted features generate synthetic {fMRI} responses to unseen images"),
            ("journal", "Vision Research"),
            ("volume", "234"),
            ("pages", "108641"),
            ("doi", "10.1016/j.visres.2025.108641"),
        ),
    ),
    Reference(
        "chang2019",
        "article",
        "BOLD5000, the reference dataset.",
        "Chang, Nadine and Pyles, John A. and Marcus, Austin and Gupta, Abhinav and Tarr, Michael J."
        " and Aminoff, Elissa M.",
        2019,
        (
            ("title", "{BOLD5000}, a public {fMRI} dataset while viewing 5000 visual images"),
            ("journal", "Scientific Data"),
            ("volume", "6"),
            ("pages", "49"),
            ("doi", "10.1038/s41597-019-0052-3"),
        ),
    ),
    Reference(
        "krizhevsky2012",
        "inproceedings",
        "AlexNet, the default source of image features.",
        "Krizhevsky, Alex and Sutskever, Ilya and Hinton, Geoffrey E.",
        2012,
        (
            ("title", "{ImageNet} classification with deep convolutional neural networks"),
            ("booktitle", "Advances in Neural Information Processing Systems"),
            ("volume", "25"),
            ("pages", "1097--1105"),
        ),
    ),
    Reference(
        "mumford2012",
        "article",
        "The least-squares-separate estimator of single-trial responses.",
        "Mumford, Jeanette A. and Turner, Benjamin O. and Ashby, F. Gregory and Poldrack, Russell A.",
        2012,
        (
            (
                "title",
                "Deconvolving {BOLD} activation in event-related designs for multivoxel pattern"
                " classification analyses",
            ),
            ("journal", "NeuroImage"),
            ("volume", "59"),
            ("pages", "2636--2643"),
            ("doi", "10.1016/j.neuroimage.2011.08.076"),
        ),
    ),
    Reference(
        "allen2022",
        "article",
        "The choice of a haemodynamic response for each voxel from a library.",
        "Allen, Emily J. and others",
        2022,
        (
            (
                "title",
                "A massive 7{T} {fMRI} dataset to bridge cognitive neuroscience and artificial intelligence",
            ),
            ("journal", "Nature Neuroscience"),
            ("volume", "25"),
            ("pages", "116--126"),
            ("doi", "10.1038/s41593-021-00962-x"),
        ),
    ),
    Reference(
        "kay2013",
        "article",
        "GLMdenoise: noise components from voxels that the task leaves alone.",
        "Kay, Kendrick N. and Rokem, Ariel and Winawer, Jonathan and Dougherty, Robert F."
        " and Wandell, Brian A.",
        2013,
        (
            ("title", "{GLMdenoise}: a fast, automated technique for denoising task-based {fMRI} data"),
            ("journal", "Frontiers in Neuroscience"),
            ("volume", "7"),
            ("pages", "247"),
            ("doi", "10.3389/fnins.2013.00247"),
        ),
    ),
    Reference(
        "rokem2020",
        "article",
        "Fractional ridge regression of single-trial responses.",
        "Rokem, Ariel and Kay, Kendrick",
        2020,
        (
            (
                "title",
                "Fractional ridge regression: a fast, interpretable reparameterization of ridge regression",
            ),
            ("journal", "GigaScience"),
            ("volume", "9"),
            ("pages", "giaa133"),
            ("doi", "10.1093/gigascience/giaa133"),
        ),
    ),
    Reference(
        "prince2022",
        "article",
        "GLMsingle: the sequence of library, noise components and ridge.",
        "Prince, Jacob S. and Charest, Ian and Kurzawski, Jan W. and Pyles, John A. and Tarr, Michael J."
        " and Kay, Kendrick N.",
        2022,
        (
            ("title", "Improving the accuracy of single-trial {fMRI} response estimates using {GLMsingle}"),
            ("journal", "eLife"),
            ("volume", "11"),
            ("pages", "e77599"),
            ("doi", "10.7554/eLife.77599"),
        ),
    ),
    Reference(
        "kay2008",
        "article",
        "Identification of the image seen among many by predicted responses.",
        "Kay, Kendrick N. and Naselaris, Thomas and Prenger, Ryan J. and Gallant, Jack L.",
        2008,
        (
            ("title", "Identifying natural images from human brain activity"),
            ("journal", "Nature"),
            ("volume", "452"),
            ("pages", "352--355"),
            ("doi", "10.1038/nature06713"),
        ),
    ),
    Reference(
        "golub1979",
        "article",
        "Generalised cross-validation, which chooses the penalty of maps between participants.",
        "Golub, Gene H. and Heath, Michael and Wahba, Grace",
        1979,
        (
            ("title", "Generalized cross-validation as a method for choosing a good ridge parameter"),
            ("journal", "Technometrics"),
            ("volume", "21"),
            ("pages", "215--223"),
            ("doi", "10.1080/00401706.1979.10489751"),
        ),
    ),
    Reference(
        "miller1995",
        "article",
        "WordNet, whose lemmas, lexicographer files and hypernyms label ImageNet's synsets.",
        "Miller, George A.",
        1995,
        (
            ("title", "{WordNet}: a lexical database for {English}"),
            ("journal", "Communications of the ACM"),
            ("volume", "38"),
            ("pages", "39--41"),
            ("doi", "10.1145/219717.219748"),
        ),
    ),
    Reference(
        "russakovsky2015",
        "article",
        "ImageNet's synsets, which label its images.",
        "Russakovsky, Olga and others",
        2015,
        (
            ("title", "{ImageNet} large scale visual recognition challenge"),
            ("journal", "International Journal of Computer Vision"),
            ("volume", "115"),
            ("pages", "211--252"),
            ("doi", "10.1007/s11263-015-0816-y"),
        ),
    ),
    Reference(
        "zhou2018",
        "article",
        "Places365, whose list tells indoor from outdoor scenes.",
        "Zhou, Bolei and Lapedriza, Agata and Khosla, Aditya and Oliva, Aude and Torralba, Antonio",
        2018,
        (
            ("title", "Places: a 10 million image database for scene recognition"),
            ("journal", "IEEE Transactions on Pattern Analysis and Machine Intelligence"),
            ("volume", "40"),
            ("pages", "1452--1464"),
            ("doi", "10.1109/TPAMI.2017.2723009"),
        ),
    ),
    Reference(
        "lin2014",
        "inproceedings",
        "COCO, whose annotations label its images.",
        "Lin, Tsung-Yi and others",
        2014,
        (
            ("title", "Microsoft {COCO}: common objects in context"),
            ("booktitle", "Computer Vision - ECCV 2014"),
            ("pages", "740--755"),
            ("doi", "10.1007/978-3-319-10602-1_48"),
        ),
    ),
    Reference(
        "benjamini1995",
        "article",
        "The correction of p-values for the false discovery rate.",
        "Benjamini, Yoav and Hochberg, Yosef",
        1995,
        (
            (
                "title",
                "Controlling the false discovery rate: a practical and powerful approach to multiple testing",
            ),
            ("journal", "Journal of the Royal Statistical Society: Series B (Methodological)"),
            ("volume", "57"),
            ("pages", "289--300"),
            ("doi", "10.1111/j.2517-6161.1995.tb02031.x"),
        ),
    ),
    Reference(
        "gorgolewski2016",
        "article",
        "The Brain Imaging Data Structure, the format of input and output.",
        "Gorgolewski, Krzysztof J. and others",
        2016,
        (
            (
                "title",
                "The brain imaging data structure, a format for organizing and describing outputs of"
                " neuroimaging experiments",
            ),
            ("journal", "Scientific Data"),
            ("volume", "3"),
            ("pages", "160044"),
            ("doi", "10.1038/sdata.2016.44"),
        ),
    ),
    Reference(
        "gorgolewski2017",
        "article",
        "BIDS Apps, the convention of the command line.",
        "Gorgolewski, Krzysztof J. and others",
        2017,
        (
            (
                "title",
                "{BIDS} apps: Improving ease of use, accessibility, and reproducibility of"
                " neuroimaging data analysis methods",
            ),
            ("journal", "PLOS Computational Biology"),
            ("volume", "13"),
            ("pages", "e1005209"),
            ("doi", "10.1371/journal.pcbi.1005209"),
        ),
    ),
    Reference(
        "breiman1996",
        "article",
        "Stacking with non-negative weights, which joins layers.",
        "Breiman, Leo",
        1996,
        (
            ("title", "Stacked regressions"),
            ("journal", "Machine Learning"),
            ("volume", "24"),
            ("pages", "49--64"),
            ("doi", "10.1007/BF00117832"),
        ),
    ),
    Reference(
        "nunezelizalde2019",
        "article",
        "Banded ridge regression, with a penalty for each layer.",
        "Nunez-Elizalde, Anwar O. and Huth, Alexander G. and Gallant, Jack L.",
        2019,
        (
            ("title", "Voxelwise encoding models with non-spherical multivariate normal priors"),
            ("journal", "NeuroImage"),
            ("volume", "197"),
            ("pages", "482--492"),
            ("doi", "10.1016/j.neuroimage.2019.04.012"),
        ),
    ),
    Reference(
        "duprelatour2022",
        "article",
        "The random search over penalties of banded ridge regression, and the product measure.",
        "Dupr{\\'e} la Tour, Tom and Eickenberg, Michael and Nunez-Elizalde, Anwar O. and Gallant, Jack L.",
        2022,
        (
            ("title", "Feature-space selection with banded ridge regression"),
            ("journal", "NeuroImage"),
            ("volume", "264"),
            ("pages", "119728"),
            ("doi", "10.1016/j.neuroimage.2022.119728"),
        ),
    ),
    Reference(
        "yarkoni2019",
        "article",
        "PyBIDS, which indexes the dataset.",
        "Yarkoni, Tal and others",
        2019,
        (
            ("title", "{PyBIDS}: Python tools for {BIDS} datasets"),
            ("journal", "Journal of Open Source Software"),
            ("volume", "4"),
            ("pages", "1294"),
            ("doi", "10.21105/joss.01294"),
        ),
    ),
    Reference(
        "abraham2014",
        "article",
        "Nilearn, which this program uses for neuroimaging.",
        "Abraham, Alexandre and others",
        2014,
        (
            ("title", "Machine learning for neuroimaging with scikit-learn"),
            ("journal", "Frontiers in Neuroinformatics"),
            ("volume", "8"),
            ("pages", "14"),
            ("doi", "10.3389/fninf.2014.00014"),
        ),
    ),
    Reference(
        "marcel2010",
        "inproceedings",
        "torchvision, which provides the networks and their weights.",
        "Marcel, S{\\'e}bastien and Rodriguez, Yann",
        2010,
        (
            ("title", "Torchvision the machine-vision package of torch"),
            ("booktitle", "Proceedings of the 18th ACM International Conference on Multimedia"),
            ("pages", "1485--1488"),
            ("doi", "10.1145/1873951.1874254"),
        ),
    ),
)


def citation_markdown() -> str:
    """CITATION.md."""
    lines = ["# What to cite", "", "The entries are in CITATION.bib.", ""]
    lines += [f"- {ref.role} {_plain(ref.line)}" for ref in REFERENCES]
    return "\n".join(lines) + "\n"


def citation_bibtex() -> str:
    """CITATION.bib."""
    return "\n".join(ref.bibtex for ref in REFERENCES)


def _plain(text: str) -> str:
    return text.replace("{\\'e}", "é").replace("{", "").replace("}", "").replace("--", "-")
