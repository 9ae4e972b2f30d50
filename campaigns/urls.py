"""URLs of the pages of templates, at the site's root."""

from __future__ import annotations

from django.urls import path

from campaigns.views import editor, images, templates, versions

app_name = "campaigns"

urlpatterns = [
    path("templates/", templates.overview, name="templates"),
    path("templates/new/", templates.new, name="template_new"),
    path("templates/designs/<slug:key>/", templates.starter, name="starter"),
    path("templates/<int:pk>/", editor.template, name="template"),
    path("templates/<int:pk>/check/", editor.check, name="template_check"),
    path("templates/<int:pk>/preview/", editor.frame, name="template_preview"),
    path("templates/<int:pk>/customers/", editor.customers, name="template_customers"),
    path("templates/<int:pk>/images/", images.choose, name="template_images"),
    path("templates/<int:pk>/picture/", templates.picture, name="template_picture"),
    path("templates/<int:pk>/clone/", templates.clone, name="template_clone"),
    path("templates/<int:pk>/delete/", templates.delete, name="template_delete"),
    path("templates/<int:pk>/versions/", versions.versions, name="template_versions"),
    path("templates/<int:pk>/versions/<int:number>/", versions.versions, name="template_version"),
    path(
        "templates/<int:pk>/versions/<int:number>/picture/", versions.picture, name="template_version_picture"
    ),
    path("templates/<int:pk>/versions/<int:number>/restore/", versions.restore, name="template_restore"),
    # The same as campaigns.images.address makes.
    path("i/<str:file_name>", images.serve, name="image"),
]
