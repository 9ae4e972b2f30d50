"""Imports of customers from a file; a worker does the work."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, BinaryIO, cast

from ninja import File, Form, Query, Router, Status
from ninja.files import UploadedFile
from pydantic import Field, TypeAdapter, ValidationError

from audience import imports
from audience.api.frame import WRITING, Allowed, ApiRequest, Page, PageQuery, answers, find, page
from audience.api.problems import Problem, refused
from audience.api.schemas import Id, Out, Strict, example, listed
from audience.models import CustomerImport

router = Router(tags=["Imports"])

ImportStatus = Annotated[CustomerImport.Status, listed(CustomerImport.Status)]
MAPPING = TypeAdapter(dict[str, str])


class ImportOut(Out):
    """A file of customers, and how far it has been taken in."""

    model_config = example(
        {
            "id": 1,
            "name": "customers.csv",
            "status": "completed",
            "mapping": {"E-mail": "email", "Orders": "attributes.orders"},
            "size": 1048576,
            "position": 1048576,
            "line": 20001,
            "created": 19000,
            "updated": 990,
            "rejected": 10,
            "kept_out": 25,
            "error": "",
            "created_at": "2026-11-01T09:30:00Z",
            "finished_at": "2026-11-01T09:30:04Z",
        }
    )

    id: int
    name: str
    status: ImportStatus
    mapping: dict[str, str] = Field(description="Column of the file -> field.")
    size: int = Field(description="Bytes in the file.")
    position: int = Field(description="Bytes read so far.")
    line: int
    created: int
    updated: int
    rejected: int
    kept_out: int = Field(description="Rows of people who are suppressed or unsubscribed and stay so.")
    error: str
    created_at: datetime
    finished_at: datetime | None


class ImportIn(Strict):
    subscribe: bool = Field(False, description="These people agreed to e-mail; takes consent_note.")
    consent_note: str = Field("", max_length=300, description="Where and how they agreed.")
    mapping: str = Field(
        "",
        max_length=100_000,
        description='A JSON object, column -> field: {"E-mail": "email", "Orders": "attributes.orders"}. '
        "Columns that it leaves out go where their names suggest.",
    )


class ImportQuery(PageQuery):
    status: ImportStatus | None = None


def shown(row: CustomerImport) -> ImportOut:
    return ImportOut.model_validate(row)


@router.get("/imports", auth=Allowed("imports:read"), response=answers(Page[ImportOut]))
def list_imports(request: ApiRequest, asked: Query[ImportQuery]) -> Page[ImportOut]:
    """List imports, the newest first."""
    rows = CustomerImport.objects.of(request.auth.workspace)
    if asked.status is not None:
        rows = rows.filter(status=asked.status)
    return page(rows, asked, shown, newest_first=True)


@router.post(
    "/imports", auth=Allowed("imports:write"), response=answers(ImportOut, status=201, errors=WRITING)
)
def create_import(request: ApiRequest, given: Form[ImportIn], file: File[UploadedFile]) -> Status[ImportOut]:
    """Upload a CSV file in UTF-8 to be imported. A worker takes it in; ask for it to see how far it is."""
    _refuse_unknown(request)
    created = imports.create(
        request.auth.workspace,
        cast("BinaryIO", file.file),
        name=file.name or "customers.csv",
        mapping=_mapping(given.mapping),
        subscribe=given.subscribe,
        consent_note=given.consent_note,
        actor=request.auth.user,
    )
    return Status(201, shown(created))


@router.get("/imports/{import_id}", auth=Allowed("imports:read"), response=answers(ImportOut))
def read_import(request: ApiRequest, import_id: Id) -> ImportOut:
    """Read how far an import is."""
    return shown(find(CustomerImport.objects.of(request.auth.workspace), import_id))


def _refuse_unknown(request: ApiRequest) -> None:
    """Name the fields of the form that would be passed over."""
    unknown = (request.POST.keys() - ImportIn.model_fields.keys()) | (request.FILES.keys() - {"file"})
    if unknown:
        raise refused((name, "There is no such field here. Leave it out.") for name in sorted(unknown))


def _mapping(text: str) -> dict[str, str]:
    try:
        return MAPPING.validate_json(text) if text else {}
    except ValidationError as error:
        words = 'Write a JSON object of texts, such as {"E-mail": "email"}.'
        raise Problem(422, "refused", "Mend the mapping.", [("mapping", words)]) from error
