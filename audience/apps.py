from django.apps import AppConfig
from django.db.backends.signals import connection_created
from django.utils.translation import gettext_lazy as _


class AudienceConfig(AppConfig):
    name = "audience"
    verbose_name = _("Audience")

    def ready(self) -> None:
        from audience.accounts import log_ins
        from audience.segments.sql import add_fold_to_sqlite

        log_ins.listen()
        connection_created.connect(add_fold_to_sqlite, dispatch_uid="audience.fold")
