"""What the phantoms can show, as data: concepts, studies, and what may be found in them.

The concepts are UMLS concepts as used in the data sets ROCO and ROCOv2 and in Fig. 1 and 2 of the paper; the
names are UMLS terms. As there, some come in near-synonym pairs, because concepts were found in captions
automatically: a CT image carries C0040405 and C0040398, a knee C0022742 and C1260920.
"""

from dataclasses import dataclass

CONCEPTS = {
    # modality and technique
    "C0040405": "X-Ray Computed Tomography",
    "C0040398": "Tomography, Emission-Computed",
    "C0043299": "Diagnostic radiologic examination",
    "C1306645": "Plain x-ray",
    "C0034579": "Radiography, Panoramic",
    "C0024485": "Magnetic Resonance Imaging",
    "C0041618": "Ultrasonography",
    "C0002978": "angiogram",
    "C0032743": "Positron-Emission Tomography",
    "C1699633": "PET/CT scan",
    "C0441633": "Scanning",
    "C0009924": "Contrast Media",
    "C1999039": "Anterior-Posterior",
    "C1996865": "Postero-Anterior",
    "C0205129": "Sagittal",
    # region
    "C0018670": "Head",
    "C0037303": "Bone structure of cranium",
    "C0817096": "Chest",
    "C0230127": "Right hemithorax",
    "C0230128": "Left hemithorax",
    "C0000726": "Abdomen",
    "C0030797": "Pelvis",
    "C0023216": "Lower Extremity",
    "C1140618": "Upper Extremity",
    "C0037949": "Vertebral column",
    "C0225317": "Soft tissue",
    # bones, joints, teeth
    "C0022742": "Knee",
    "C1260920": "Kneel",
    "C4281598": "Right knee",
    "C4281599": "Left knee",
    "C0030647": "Bone structure of patella",
    "C0015811": "Femur",
    "C0040184": "Bone structure of tibia",
    "C0016504": "Foot",
    "C0025584": "Metatarsal bone structure",
    "C0230370": "Right hand",
    "C0230371": "Left hand",
    "C0025526": "Metacarpal bone",
    "C0019552": "Hip structure",
    "C0524470": "Right hip",
    "C0524471": "Left hip",
    "C0549207": "Bone structure of spine",
    "C0035561": "Bone structure of rib",
    "C1266909": "Entire bony skeleton",
    "C0024687": "Mandible",
    "C0040426": "Tooth structure",
    # organs and vessels
    "C0006104": "Brain",
    "C0152279": "Structure of lateral ventricle",
    "C0010090": "Corpus Callosum",
    "C0037925": "Spinal Cord",
    "C0024109": "Lung",
    "C0225706": "Right lung",
    "C0225730": "Left lung",
    "C0018787": "Heart",
    "C0225897": "Left ventricular structure",
    "C0225883": "Right ventricular structure",
    "C0025066": "Mediastinum",
    "C0003483": "Aorta",
    "C0003842": "Arteries",
    "C0205042": "Coronary artery",
    "C1261316": "Right coronary artery structure",
    "C0226032": "Anterior descending branch of left coronary artery",
    "C0226037": "Structure of circumflex branch of left coronary artery",
    "C0007276": "Internal carotid artery structure",
    "C0149566": "Middle cerebral artery structure",
    "C0035065": "Structure of renal artery",
    "C0023884": "Liver",
    "C0037993": "Spleen",
    "C0016976": "Gallbladder",
    "C0022646": "Kidney",
    "C0227613": "Right kidney",
    "C0227614": "Left kidney",
    "C0005682": "Urinary Bladder",
    "C0042149": "Uterus",
    "C0006141": "Breast",
    # findings
    "C0027651": "Neoplasms",
    "C0036525": "Metastatic to",
    "C0494165": "Secondary malignant neoplasm of liver",
    "C0028259": "Nodule",
    "C0205207": "Cystic",
    "C0013604": "Edema",
    "C0444611": "Fluid behavior",
    "C0032227": "Pleural effusion disorder",
    "C0032326": "Pneumothorax",
    "C0521530": "Lung consolidation",
    "C0032285": "Pneumonia",
    "C0018800": "Cardiomegaly",
    "C0031039": "Pericardial effusion",
    "C0003962": "Ascites",
    "C0020295": "Hydronephrosis",
    "C0012359": "Pathological Dilatation",
    "C0006736": "Calculi",
    "C0242216": "Biliary calculi",
    "C0022650": "Kidney Calculi",
    "C0020255": "Hydrocephalus",
    "C0018944": "Hematoma",
    "C0018946": "Hematoma, Subdural",
    "C0007785": "Cerebral Infarction",
    "C0021818": "Intervertebral Disk Displacement",
    "C0262431": "Compression fracture of vertebral column",
    "C0016658": "Fracture",
    "C0029408": "Degenerative polyarthritis",
    "C1261287": "Stenosis",
    "C0001168": "Complete obstruction",
    "C0002940": "Aneurysm",
    "C0032961": "Pregnancy",
    # devices
    "C0021102": "Implants",
    "C0301559": "Screw",
    "C0005971": "Bone plates",
    "C0175649": "Prosthesis",
    "C0038257": "Stent, device",
    "C0085590": "Catheter device",
    "C0030163": "Artificial cardiac pacemaker",
    # vague words that captions are full of
    "C0442800": "Enlarged",
    "C0205271": "Irregular",
    "C0332554": "Shadow",
}

VAGUE = ("Enlarged", "Irregular", "Shadow", "Soft tissue", "Fluid behavior")

MODALITIES = {
    "DRAN": "angiogram; Arteries",
    "DRCT": "X-Ray Computed Tomography; Tomography, Emission-Computed",
    "DRMR": "Magnetic Resonance Imaging",
    "DRPE": "Positron-Emission Tomography",
    "DRUS": "Ultrasonography",
    "DRXR": "Plain x-ray; Diagnostic radiologic examination",
}


@dataclass(frozen=True)
class Study:
    """One kind of examination: a drawing of `nblib.phantoms.drawings.DRAWINGS`, category, weight in it, concepts."""

    drawing: str
    category: str
    weight: float
    concepts: str


@dataclass(frozen=True)
class Finding:
    """Something a study may show: its concepts, its chance in 0..1, and a mark from `nblib.phantoms.canvas.MARKS`.

    x (times the side of the picture, -1 or 1), y, size and grey value say where and how the mark is drawn.
    Without a mark it is left to the drawing of the study to show the finding. {side} stands for Right or Left.
    """

    concepts: str
    chance: float
    mark: str | None = None
    x: float = 0.0
    y: float = 0.0
    size: float = 0.1
    value: float = 1.0


STUDIES = (
    Study("head section", "DRCT", 3, "Head; Brain; Bone structure of cranium; Scanning"),
    Study("chest section", "DRCT", 6, "Chest; Lung; Mediastinum"),
    Study("abdomen section", "DRCT", 8, "Abdomen; Liver; Kidney"),
    Study("pelvis section", "DRCT", 0.7, "Pelvis; Urinary Bladder"),
    Study("brain section", "DRMR", 7, "Brain; Head; Scanning"),
    Study("brain profile", "DRMR", 3, "Brain; Head; Sagittal; Corpus Callosum"),
    Study("spine profile", "DRMR", 2, "Vertebral column; Bone structure of spine; Sagittal; Spinal Cord"),
    Study("knee profile", "DRMR", 1, "Knee; Kneel; Sagittal; Bone structure of patella; Femur; Lower Extremity"),
    Study("chest film", "DRXR", 10, "Chest; Postero-Anterior; Lung"),
    Study("bedside chest film", "DRXR", 6, "Chest; Anterior-Posterior; Heart"),
    Study("knee film", "DRXR", 2.5, "Knee; Kneel; Lower Extremity; Anterior-Posterior; Femur; Bone structure of tibia"),
    Study("hand film", "DRXR", 0.8, "Upper Extremity; Metacarpal bone; Entire bony skeleton; {side} hand"),
    Study("foot film", "DRXR", 0.5, "Lower Extremity; Foot; Metatarsal bone structure; Entire bony skeleton"),
    Study("pelvis film", "DRXR", 1.5, "Pelvis; Anterior-Posterior; Hip structure; Femur"),
    Study(
        "dental panorama", "DRXR", 0.6, "Radiography, Panoramic; Mandible; Tooth structure; Bone structure of cranium"
    ),
    Study("kidney scan", "DRUS", 3, "Kidney; Abdomen"),
    Study("gallbladder scan", "DRUS", 2, "Gallbladder; Liver; Abdomen"),
    Study("heart scan", "DRUS", 3, "Heart; Left ventricular structure; Right ventricular structure"),
    Study("fetal scan", "DRUS", 1, "Pregnancy; Uterus; Pelvis"),
    Study("breast scan", "DRUS", 1, "Breast; Soft tissue"),
    Study(
        "left coronary angiogram",
        "DRAN",
        4,
        "Coronary artery; Anterior descending branch of left coronary artery; Contrast Media",
    ),
    Study("right coronary angiogram", "DRAN", 3, "Coronary artery; Right coronary artery structure; Catheter device"),
    Study("cerebral angiogram", "DRAN", 3, "Internal carotid artery structure; Middle cerebral artery structure; Head"),
    Study("renal angiogram", "DRAN", 2, "Aorta; Structure of renal artery; Kidney; Abdomen"),
    Study("body tracer map", "DRPE", 3, "Brain; Heart; Urinary Bladder; Scanning"),
    Study("brain tracer map", "DRPE", 2, "Brain; Head"),
    Study("fused chest section", "DRPE", 3, "PET/CT scan; X-Ray Computed Tomography; Chest"),
)

FINDINGS = {
    "head section": (
        Finding("Hydrocephalus; Structure of lateral ventricle; Pathological Dilatation", 0.2),
        Finding("Hematoma", 0.2, "spot", 0.3, -0.1, 0.17, 0.85),
        Finding("Hematoma, Subdural; Hematoma", 0.15, "crescent", 0.4, 0.0, 0.6, 0.85),
        Finding("Cerebral Infarction; Edema", 0.15, "spot", 0.38, 0.1, 0.24, 0.2),
        Finding("Neoplasms; Edema", 0.12, "rim", 0.28, -0.3, 0.15, 0.75),
    ),
    "chest section": (
        Finding("Contrast Media; Aorta", 0.45),
        Finding("Pleural effusion disorder; Fluid behavior", 0.25, "pool", 0.48, 0.2, 0.3, 0.5),
        Finding("Nodule; {side} lung", 0.2, "spot", 0.48, -0.15, 0.09, 0.7),
        Finding("Neoplasms; {side} lung", 0.12, "spot", 0.42, 0.05, 0.19, 0.6),
        Finding("Lung consolidation; Pneumonia", 0.15, "haze", 0.5, 0.15, 0.26, 0.4),
        Finding("Pericardial effusion; Heart", 0.08),
        Finding("Pneumothorax; {side} hemithorax", 0.08, "spot", 0.5, -0.42, 0.17, 0.0),
    ),
    "abdomen section": (
        Finding("Contrast Media", 0.45),
        Finding("Spleen", 0.25),
        Finding("Secondary malignant neoplasm of liver; Metastatic to", 0.18),
        Finding("Neoplasms", 0.15, "spot", -0.42, -0.15, 0.18, 0.3),
        Finding("Cystic; {side} kidney", 0.15, "spot", 0.42, 0.3, 0.13, 0.2),
        Finding("Hydronephrosis; Pathological Dilatation; {side} kidney", 0.15, "spot", 0.34, 0.3, 0.1, 0.18),
        Finding("Kidney Calculi; Calculi", 0.1, "spot", 0.36, 0.32, 0.05, 1.0),
        Finding("Ascites; Fluid behavior", 0.12),
        Finding("Aneurysm; Aorta", 0.08),
    ),
    "pelvis section": (
        Finding("Contrast Media", 0.45),
        Finding("Neoplasms", 0.25, "spot", 0.25, -0.25, 0.18, 0.68),
        Finding("Calculi", 0.1, "spot", 0.0, -0.08, 0.06, 1.0),
        Finding("Fracture; {side} hip", 0.12, "crack", 0.62, 0.05, 0.12, 0.3),
        Finding("Prosthesis; Implants; {side} hip", 0.1, "spot", 0.66, 0.12, 0.14, 1.2),
    ),
    "brain section": (
        Finding("Contrast Media", 0.3),
        Finding("Hydrocephalus; Structure of lateral ventricle; Pathological Dilatation", 0.12),
        Finding("Neoplasms; Edema", 0.25, "rim", 0.32, -0.25, 0.17, 1.0),
        Finding("Cerebral Infarction", 0.12, "spot", 0.4, 0.2, 0.2, 0.95),
        Finding("Cystic", 0.08, "spot", 0.3, 0.3, 0.13, 0.02),
    ),
    "brain profile": (
        Finding("Neoplasms", 0.25, "spot", 0.12, 0.28, 0.12, 0.98),
        Finding("Contrast Media", 0.2),
    ),
    "spine profile": (
        Finding("Intervertebral Disk Displacement", 0.3),
        Finding("Compression fracture of vertebral column; Fracture", 0.15),
        Finding("Neoplasms; Metastatic to", 0.1, "spot", 0.0, -0.3, 0.12, 0.95),
    ),
    "knee profile": (
        Finding("Fluid behavior", 0.25, "spot", 0.5, -0.25, 0.15, 1.0),
        Finding("Edema; Bone structure of tibia", 0.15, "haze", 0.0, 0.45, 0.3, 0.4),
        Finding("Cystic", 0.1, "spot", -0.55, 0.15, 0.14, 1.0),
    ),
    "chest film": (
        Finding("Cardiomegaly; Heart", 0.22),
        Finding("Pleural effusion disorder; {side} hemithorax", 0.2, "pool", 0.45, 0.3, 0.32, 0.78),
        Finding("Nodule; {side} lung", 0.15, "spot", 0.42, -0.25, 0.07, 0.75),
        Finding("Lung consolidation; Pneumonia", 0.14, "haze", 0.44, 0.1, 0.22, 0.4),
        Finding("Pneumothorax; {side} lung", 0.08),
        Finding("Bone structure of rib; Fracture", 0.06, "crack", 0.62, -0.2, 0.12, 0.1),
    ),
    "bedside chest film": (
        Finding("Catheter device", 0.55, "wire", 0.12, 0.05, 0.02, 1.0),
        Finding("Artificial cardiac pacemaker; Implants", 0.25, "pacemaker", 0.55, -0.5, 0.16, 1.2),
        Finding("Edema", 0.25, "haze", 0.35, -0.05, 0.4, 0.35),
        Finding("Pleural effusion disorder; Fluid behavior", 0.3, "pool", 0.45, 0.2, 0.33, 0.8),
    ),
    "knee film": (
        Finding("{side} knee", 0.8),
        Finding("Bone structure of patella", 0.5),
        Finding("Fracture", 0.25, "crack", 0.0, 0.5, 0.24, 0.15),
        Finding("Bone plates; Screw; Implants", 0.2, "plate", 0.18, 0.55, 0.3, 1.3),
        Finding("Degenerative polyarthritis", 0.15),
        Finding("Prosthesis; Implants", 0.12),
    ),
    "hand film": (
        Finding("Fracture", 0.35, "crack", -0.3, 0.12, 0.12, 0.1),
        Finding("Soft tissue", 0.2, "haze", -0.1, -0.3, 0.25, 0.3),
        Finding("Screw; Implants", 0.15, "plate", -0.2, 0.12, 0.14, 1.3),
    ),
    "foot film": (
        Finding("Fracture", 0.35, "crack", -0.12, -0.08, 0.13, 0.1),
        Finding("Screw; Bone plates; Implants", 0.2, "plate", 0.15, 0.05, 0.18, 1.3),
    ),
    "pelvis film": (
        Finding("Prosthesis; Implants; {side} hip", 0.3, "hip prosthesis", 0.56, 0.18, 0.15, 1.3),
        Finding("Fracture; {side} hip", 0.2, "crack", 0.7, 0.3, 0.15, 0.1),
        Finding("Screw", 0.12, "plate", 0.62, 0.35, 0.22, 1.3),
    ),
    "dental panorama": (
        Finding("Implants", 0.3, "plate", 0.3, 0.12, 0.14, 1.3),
        Finding("Cystic", 0.2, "spot", 0.35, 0.42, 0.13, 0.05),
    ),
    "kidney scan": (
        Finding("Hydronephrosis; Pathological Dilatation", 0.35),
        Finding("Kidney Calculi; Calculi; Shadow", 0.25, "stone", 0.0, 0.05, 0.07, 1.0),
        Finding("Cystic", 0.2, "spot", 0.3, 0.0, 0.13, 0.02),
    ),
    "gallbladder scan": (
        Finding("Biliary calculi; Calculi; Shadow", 0.5, "stone", 0.0, 0.12, 0.08, 1.0),
        Finding("Secondary malignant neoplasm of liver; Metastatic to", 0.12, "rim", 0.35, -0.2, 0.12, 0.1),
    ),
    "heart scan": (
        Finding("Pericardial effusion; Fluid behavior", 0.25),
        Finding("Pathological Dilatation; Enlarged", 0.2),
    ),
    "fetal scan": (
        Finding("Cystic", 0.15, "spot", 0.4, 0.25, 0.13, 0.02),
        Finding("Neoplasms", 0.12, "spot", -0.55, 0.1, 0.16, 0.65),
    ),
    "breast scan": (
        Finding("Nodule; Neoplasms; Irregular", 0.6, "stone", 0.0, -0.1, 0.2, 0.08),
        Finding("Cystic", 0.3, "spot", 0.2, -0.05, 0.18, 0.0),
    ),
    "left coronary angiogram": (
        Finding("Structure of circumflex branch of left coronary artery", 0.5),
        Finding("Stenosis", 0.35),
        Finding("Complete obstruction", 0.15),
        Finding("Stent, device", 0.2),
    ),
    "right coronary angiogram": (
        Finding("Stenosis", 0.35),
        Finding("Complete obstruction", 0.15),
        Finding("Stent, device", 0.2),
    ),
    "cerebral angiogram": (
        Finding("Aneurysm", 0.4, "spot", 0.12, 0.12, 0.09, 0.05),
        Finding("Stenosis", 0.2),
    ),
    "renal angiogram": (
        Finding("Stenosis", 0.4),
        Finding("Aneurysm; Pathological Dilatation", 0.2, "spot", 0.06, 0.5, 0.14, 0.05),
        Finding("Stent, device", 0.15),
    ),
    "body tracer map": (
        Finding("Metastatic to; Neoplasms", 0.45),
        Finding("Nodule; {side} lung", 0.3, "spot", 0.12, -0.38, 0.05, 0.95),
    ),
    "brain tracer map": (
        Finding("Neoplasms", 0.4, "spot", 0.3, -0.2, 0.14, 1.2),
        Finding("Cerebral Infarction", 0.3, "spot", 0.4, 0.2, 0.2, 0.15),
    ),
    "fused chest section": (
        Finding("Neoplasms; {side} lung", 0.5),
        Finding("Nodule; Metastatic to", 0.3),
    ),
}
