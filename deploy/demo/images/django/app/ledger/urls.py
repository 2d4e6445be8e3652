from django.urls import path

from . import views

urlpatterns = [
    path("livez", views.livez),
    path("readyz", views.readyz),
    path("ledger", views.ledger),
]
